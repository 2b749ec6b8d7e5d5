# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemons cost a host with many guests, and many fences at one time."""

from __future__ import annotations

import re
import statistics
import time
from typing import NamedTuple

from tests.bench import crowd
from tests.lab.cluster import stonith
from tests.lab.cluster.registration import Registered, register
from tests.lab.guests.fencing_guest import CONNECT, Ask, Asking
from tests.lab.guests.guests import Guest
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lab import Lab

SIZES = (0, 10, 100)
IDLE_S = 20.0
# Of one core, both daemons with all that they start. A measure of growth, not of what is little.
IDLE_BAR = 0.10

AT_ONCE = (1, 5, 10, 20)
# What takes a fraction of a second is taken more often than once.
ROUNDS = (5, 2, 1, 2)
BAR = 5.0
# On the host; the fields of Took but for its first.
LAST = ("the last has arrived", "the last is killed", "the last OK")
NAMES = [f"crowd{number}" for number in range(max(SIZES))]

# One program asks for all at one instant: twenty of them would be busy for seconds in an emulated
# guest before the last has asked.
_ASK = """
import glob, sys, time
sys.path[:0] = glob.glob("/usr/share/pm_kvm_tools/*-*")
from pmkvm.deadline import Deadline
from pmkvm.wire import client, codec
from pmkvm.wire.message import Reply, Unavailable
wanted = [
    codec.request("stonith", client.new_id(), 60.0, "reset " + token) for token in sys.argv[1:]
]
texts = []
with client.Connection(Deadline(60)) as connection:
    connection.wait_open()
    began = time.monotonic()
    for each in wanted:
        connection.send(each)
    for event in connection.events():
        if isinstance(event, (Reply, Unavailable)):
            texts.append(event[2])
        if len(texts) == len(wanted):
            break
print(time.monotonic() - began, int(set(texts) != {"OK"}))
print(texts)
"""
_OK = re.compile(r": OK, .*\((\d+) ms,")


class Took(NamedTuple):
    """Seconds: as the guest had it; on the host from the first arrival to the last one, the last
    death and the last OK."""

    guest: float
    arrived: float
    killed: float
    host: float


def test_what_the_daemons_cost_while_nothing_happens(clean_lab: Lab) -> None:
    """A hundred monitors keep two cores busy, so processor time is what is measured."""
    lab = clean_lab
    host = lab.hosts[0]
    prepare(lab, NAMES)
    shares, running = [], 0
    print(f"\nCPU seconds a minute{'':12} itself   with children")
    for size in SIZES:
        if size > running:
            crowd.start(lab, NAMES[running:size])
            running = size
        before, began = crowd.spent(host), time.monotonic()
        time.sleep(IDLE_S)
        minutes = (time.monotonic() - began) / 60
        after = crowd.spent(host)
        total = 0.0
        for name, now in after.items():
            own, whole = ((now[at] - before[name][at]) / minutes for at in (0, 1))
            total += whole / 60
            print(f"{size:4} guests  {name:16} {own:10.2f} {whole:10.2f}")
            points = [
                Point("idle", f"{name}{which}", size, "CPU s a minute", median=round(value, 2))
                for which, value in (("", own), (" with the tools it starts", whole))
            ]
            record.tell(points, host)
        shares.append(total)
    assert shares[-1] <= IDLE_BAR, shares


def prepare(lab: Lab, names: Sequence[str]) -> None:
    # Else a guest that is started anew may go to the other host.
    lab.cluster.configure_crm("rsc_defaults resource-stickiness=INFINITY")
    stonith.load_daemons(lab)
    crowd.add(lab, names)
    lab.cluster.wait_idle(120)


def test_twenty_fences_at_once(clean_lab: Lab) -> None:
    lab, names = clean_lab, NAMES[: AT_ONCE[-1]]
    prepare(lab, names)
    crowd.start(lab, names)
    requester = Guest("guest1", kind="full")
    lab.guests.define(requester)
    registered = register(lab, requester, lab.hosts[0])
    registered.start()
    echo(registered)
    medians = []
    print(f"\nuntil the last of them:{'':11}" + "".join(f"{each:>15}" for each in Took._fields))
    for count, rounds in zip(AT_ONCE, ROUNDS):
        found = [fence(registered, names[:count]) for _ in range(rounds)]
        medians.append(Took(*(statistics.median(each[at] for each in found) for at in range(4))))
        pairs = zip(medians[-1], medians[0])
        cells = "".join(
            f"{now:7.2f} s ({now / alone:3.1f})" if alone else f"{now:7.2f} s{'':6}"
            for now, alone in pairs
        )
        print(f"{count:4} at once, median of {rounds:2}:{'':6}{cells}")
        points = [
            Point("fence-at-once", series, count, "s", **record.spread([one[at] for one in found]))
            for at, series in enumerate(LAST, 1)
        ]
        record.tell(points, lab.hosts[0])
    assert lab.fencing.events() == []
    assert stonith.fail_counts(lab) == []
    assert medians[-1].host <= BAR * medians[0].host


def fence(registered: Registered, names: Sequence[str]) -> Took:
    lab, host = registered.lab, registered.lab.hosts[0]
    lab.cluster.wait_idle(120)
    tokens = [stonith.token(f"prmVMCTL_{name}") for name in names]
    already = len(host.read(stonith.LOG).splitlines())
    argv = ["/usr/bin/python3", "-c", _ASK, *tokens]
    answered = Asking(lab.guests.begin(registered.guest, argv, timeout_s=90)).answered()
    assert answered.is_ok, answered
    lines = host.read(stonith.LOG).splitlines()[already:]
    ended = [(stonith.time_of(line), _OK.search(line)) for line in lines]
    spans = [(at - int(found[1]) / 1000, at) for at, found in ended if found]
    assert len(spans) == len(names), lines
    stonith.wait_clean(lab, 60)
    for name in names:
        lab.cluster.wait_running(f"prmVMCTL_{name}", timeout_s=120)
    began = min(at for at, _ in spans)
    killed = max(stonith.time_of(line) for line in lines if "killed QEMU" in line)
    last = [max(each[at] for each in spans) - began for at in range(2)]
    return Took(answered.took_s, last[0], killed - began, last[1])


def echo(registered: Registered) -> None:
    resource = registered.resource
    ask = Ask("status", registered.guest.name, resource, CONNECT)
    registered.lab.cluster.wait(
        lambda _now: ask.begin(registered.lab.guests, registered.guest).answered().is_ok,
        f"{resource} has a way to its host",
        120,
    )
