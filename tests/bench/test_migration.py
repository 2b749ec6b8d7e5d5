# SPDX-License-Identifier: GPL-2.0-or-later
"""What a live migration takes through our agent, beside `virsh migrate` alone, on one guest."""

from __future__ import annotations

import statistics
import time

from tests.lab.cluster import agents
from tests.lab.guests.guests import Guest
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

ROUNDS = 5
BAR = 1.10
# Memory that is no zeros, so that it must travel: 24 copies of 8 MB of chance.
GUEST = Guest(
    "guest1",
    power="deaf",
    memory_mib=384,
    script="head -c 8000000 /dev/urandom >/f; for n in $(seq 24); do cat /f >/f$n; done; echo FULL",
)
FILL_S = 90


def test_migration_takes_what_virsh_takes(clean_lab: Lab) -> None:
    lab = clean_lab
    lab.guests.place(GUEST, agents.CONFIG)
    here, there = lab.hosts
    here.must(["virsh", "-q", "create", agents.CONFIG])
    counter = lab.guests.counter(GUEST)
    boot = counter.wait_for_boot().boot
    began = time.monotonic()
    while "FULL" not in counter.console():
        assert time.monotonic() - began < FILL_S
        time.sleep(0.5)
    # Each way goes as often from the one host as from the other.
    figures: dict[str, list[float]] = {"agent": [], "virsh": []}
    for number in range(2 * ROUNDS):
        for name in ("agent", "virsh") if number % 2 else ("virsh", "agent"):
            figures[name].append(
                _by_agent(here, there) if name == "agent" else _by_virsh(here, there)
            )
            here, there = there, here
            assert lab.guests.hosts_of(GUEST) == [here.name]
    for name, seconds in figures.items():
        median = statistics.median(seconds)
        print(f"{name:6} min {min(seconds):.2f}  median {median:.2f}  max {max(seconds):.2f} s")
    ratio = statistics.median(figures["agent"]) / statistics.median(figures["virsh"])
    print(f"{ratio:.3f} of virsh migrate (bar {BAR})")
    ratios = {"agent": round(ratio, 3), "virsh": 1.0}
    points = (
        Point("migration", name, "", "s", ratio=ratios[name], **record.spread(seconds))
        for name, seconds in figures.items()
    )
    record.tell(points, here)
    assert counter.boots() == [boot]
    assert ratio <= BAR


def _by_virsh(here: Machine, there: Machine) -> float:
    began = time.monotonic()
    uri = f"qemu+tcp://{there.name}/system"
    here.must(["virsh", "-q", "migrate", "--live", GUEST.name, uri], timeout_s=120)
    return time.monotonic() - began


def _by_agent(here: Machine, there: Machine) -> float:
    agent = agents.virtual_domain("extra")
    left = agents.call(here, agent, "migrate_to", 120, agents.migration(here, there))
    assert left.rc == 0, left.err
    return left.seconds
