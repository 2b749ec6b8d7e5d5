# SPDX-License-Identifier: GPL-2.0-or-later
"""Any local user may make a process of his own out to be a guest: nothing comes of it.

Beside such processes on both hosts the guests are monitored, probed, stopped, started, migrated and
fenced, and one dies by itself.
"""

from __future__ import annotations

import re
import statistics
import time

import pytest

from tests.lab.faults.situations import stop, wait_until
from tests.lab.guests.impostors import everywhere
from tests.lab.guests.lives import Lives
from tests.lab.guests.pair import Pair
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=4)

# Two of the guests' monitors, and a half.
WATCH_S = 25.0
FENCES = 5
# Of what a fence takes while nothing else happens.
MOST_TIMES = 2.0


def test_another_user_s_processes_are_in_nobody_s_way(clean_lab: Lab, is_full: bool) -> None:
    pair = Pair.make(clean_lab)
    host1, host2 = pair.lab.hosts[:2]
    boots = pair.requester.counter.boots()
    idle, beside = [], []
    for _ in range(FENCES if is_full else 1):
        # In turn: what else loads this machine is in both.
        idle.append(fence(pair))
        with everywhere(pair):
            beside.append(fence(pair))
    with everywhere(pair):
        watch(pair)
        # Before any migration: Pacemaker takes one for unfinished whose end it was told to forget.
        probe(pair)
        dies(pair)
        off_and_on(pair)
        pair.place(host2)
        pair.place(host1)
        stop(pair)
        pair.place(host1)
        assert pair.leftovers("Started", boots) == []
    times = statistics.median(beside) / statistics.median(idle)
    print(f"idle {idle} ms, beside them {beside} ms: {times:.2f} times")
    # One fence of each kind is no figure.
    if is_full:
        record.tell(points(idle, beside), host1)
    assert times <= MOST_TIMES or not is_full


def points(idle: list[int], beside: list[int]) -> Iterator[Point]:
    for series, times_ms in (("beside no impostors", idle), ("beside impostors", beside)):
        values = record.spread([time_ms / 1000 for time_ms in times_ms])
        yield Point("fence-beside", series, "on the host", "s", **values)


def fence(pair: Pair) -> int:
    """guest1 resets guest2, which comes back; how long its host took for the answer, in ms."""
    boot = pair.target.counter.wait_for_boot().boot
    with Lives(pair.lab.guests, pair.target.guest) as lives:
        began_s = time.time()
        proven = pair.reset_proven()
        assert lives.outlived(began_s, proven.at_s) == []
    pair.returned(boot)
    took = re.search(r"\((\d+) ms, ban ", proven.line)
    assert took is not None, proven
    return int(took[1])


def watch(pair: Pair) -> None:
    """Monitors find the guests as they are, where they are."""
    places = [one.hosts() for one in pair]
    boots = [one.counter.boots() for one in pair]
    end = time.monotonic() + WATCH_S
    while time.monotonic() < end:
        assert pair.lab.status().failures == []
        time.sleep(1)
    assert [one.hosts() for one in pair] == places
    assert [one.counter.boots() for one in pair] == boots


def probe(pair: Pair) -> None:
    """Each host is asked for each guest; a wrong answer would have Pacemaker start it anew."""
    boots = [one.counter.boots() for one in pair]
    for one in pair:
        pair.lab.cluster.speaker().must(["crm_resource", "--refresh", "--resource", one.resource])
    pair.lab.cluster.wait_idle()
    for one in pair:
        pair.lab.cluster.wait_running(one.resource)
    assert pair.lab.status().failures == []
    assert [one.counter.boots() for one in pair] == boots


def off_and_on(pair: Pair) -> None:
    boot = pair.target.counter.wait_for_boot().boot
    answered = pair.answer("off")
    assert answered.is_ok, answered
    assert pair.target.hosts() == []
    answered = pair.answer("on")
    assert answered.is_ok, answered
    pair.returned(boot)


def dies(pair: Pair) -> None:
    """A QEMU that was killed is missed, though others say that they are it; Pacemaker counts that
    as the only failure, and starts it again."""
    boot = pair.target.counter.wait_for_boot().boot
    ((_, qemu),) = pair.lab.guests.processes(pair.target.guest)
    qemu.kill()
    wait_until(lambda: bool(pair.target.failures()), "a monitor misses it")
    pair.returned(boot)
    assert [each.operation for each in pair.lab.status().failures] == [
        each.operation for each in pair.target.failures()
    ]
    cleanup = ["crm_resource", "--cleanup", "--resource", pair.target.resource]
    pair.lab.cluster.speaker().must(cleanup)
    wait_until(lambda: pair.lab.status().failures == [], "the failure is forgotten")
    pair.lab.cluster.wait_idle()
    pair.lab.cluster.wait_running(pair.target.resource)
