# SPDX-License-Identifier: GPL-2.0-or-later
"""Fences while a host's vm-stonithd is silent, or not there at all: Pacemaker's record is asked."""

from __future__ import annotations

import contextlib
import signal
import time

import pytest

from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.faults.fence_watch import daemon
from tests.lab.faults.situations import wait_until
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=6)

AFTERWARDS_S = 3.0


@contextlib.contextmanager
def stopped(host: Machine) -> Iterator[None]:
    """Its vm-stonithd does nothing, and to Pacemaker it runs."""
    process = daemon(host, stonith.STONITHD)
    if process is None:
        raise LabError(f"{host.name}: no vm-stonithd")
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


@contextlib.contextmanager
def in_standby(host: Machine) -> Iterator[None]:
    argv = ["crm_attribute", "-t", "nodes", "-N", host.name, "-n", "standby"]
    host.must([*argv, "-v", "on"])
    try:
        wait_until(lambda: not stonith.status(host), f"{host.name} without vm-stonithd", 60)
        yield
    finally:
        host.must([*argv, "-D"])


def banned(host: Machine) -> list[str]:
    """The resources of the bans that its vm-stonithd tells."""
    told = stonith.status(host).get("bans", [])
    assert isinstance(told, list)
    return [each["resource"] for each in told]


def fence(pair: Pair, boot: str) -> None:
    """A reset that is proven, and ends nothing of what comes after it."""
    with Lives(pair.lab.guests, pair.target.guest) as lives:
        proven = pair.reset_proven()
        assert lives.outlived(proven.at_s, proven.at_s) == []
        pair.returned(boot)
        time.sleep(AFTERWARDS_S)
        assert len([life for life in lives.all() if life.first_s > proven.at_s]) == 1
    print(proven.line)


@pytest.mark.parametrize("number", [1, 0], ids=["the target's host", "a host without the target"])
def test_a_host_whose_vm_stonithd_is_stopped(pair: Pair, number: int) -> None:
    boot = pair.place(pair.lab.hosts[number])
    boots = pair.requester.counter.boots()
    with stopped(pair.lab.hosts[1]):
        fence(pair, boot)
    assert pair.leftovers("Started", boots) == []


def test_each_host_tells_the_ban_that_it_knows(pair: Pair) -> None:
    boot = pair.place(pair.lab.hosts[0])
    boots = pair.requester.counter.boots()
    assert pair.answer("off").is_ok
    # It stands until its lease runs out.
    for host in pair.lab.hosts:
        # A host that was slow to see it has been answered for by Pacemaker's record.
        wait_until(
            lambda host=host: banned(host) == [pair.target.resource],  # type: ignore[misc]
            f"{host.name} tells the ban",
        )
    assert pair.answer("on").is_ok
    pair.returned(boot)
    assert pair.leftovers("Started", boots) == []


def test_a_host_in_standby(pair: Pair) -> None:
    boot = pair.place(pair.lab.hosts[0])
    boots = pair.requester.counter.boots()
    with in_standby(pair.lab.hosts[1]):
        fence(pair, boot)
    stonith.wait_ready(pair.lab)
    assert pair.leftovers("Started", boots) == []
