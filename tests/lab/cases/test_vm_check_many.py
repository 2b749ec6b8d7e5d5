# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-check with many guests: 200 on two hosts below 10 s, and no more for each than with 50."""

from __future__ import annotations

import time
from typing import NamedTuple
from uuid import NAMESPACE_OID, uuid5

import pytest

from tests.lab.guests.guests import IMAGES
from tests.lab.hosts import hypervisor
from tests.lab.plants import verdict
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=8)

COUNTS = (50, 100, 200)
MOST_S = 10.0
# What each further guest may cost, against a guest of the first fifty with the cost of a start.
LINEAR = 1.5
# A silent host is waited for so long.
SILENT_S = 3.0
OWN_S = 1.5
DOMAIN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<cpu mode='custom' match='exact'><model>qemu64</model></cpu>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>
<source file='{images}/{name}.img'/><target dev='vda' bus='virtio'/></disk></devices></domain>
"""


class Run(NamedTuple):
    guests: int
    seconds: float
    rc: int
    found: int


@pytest.fixture
def many(lab: Lab) -> Iterator[Lab]:
    lab.clean()
    yield lab
    commands = "; ".join(f"undefine many{number}" for number in range(COUNTS[-1]))
    for host in lab.hosts:
        hypervisor.ensure(host)
        host.run(["virsh", "-q", commands], timeout_s=100)
    # Faster than Pacemaker takes leave of so many resources.
    lab.rebuild()


def add(lab: Lab, first: int, last: int) -> None:
    """Guests that are defined everywhere and registered; they need not run for that."""
    names = [f"many{number}" for number in range(first, last)]
    for name in names:
        text = DOMAIN.format(name=name, uuid=uuid5(NAMESPACE_OID, name), images=IMAGES)
        lab.hosts[0].write(f"{IMAGES}/{name}.xml", text)
    images = [f"{IMAGES}/{name}.img" for name in names]
    lab.hosts[0].must(["truncate", "-s", "1M", *images])
    commands = "; ".join(f"define {IMAGES}/{name}.xml" for name in names)
    for host in lab.hosts:
        host.must(["virsh", "-q", commands], timeout_s=200)
    listed = ",".join(names)
    argv = ["vm-ctl", "resource", "add", listed, "-a", "host1", "-m", "on"]
    lab.hosts[0].must(argv, timeout_s=200)


def run(host: Machine, guests: int) -> Run:
    began = time.monotonic()
    said = verdict.ask(host)
    print(said.sentences()[:2000])
    return Run(guests, time.monotonic() - began, said.rc, len(said.report["findings"]))


def test_two_hundred_guests_are_looked_at_in_time(many: Lab) -> None:
    host1, host2 = many.hosts[:2]
    runs, done = [], 0
    for count in COUNTS:
        add(many, done, count)
        done = count
        many.cluster.wait_idle()
        runs.append(min((run(host1, count) for _ in range(2)), key=lambda each: each.seconds))
    hypervisor.freeze(host2)
    try:
        silent = run(host1, done)
    finally:
        hypervisor.thaw(host2)
    series = (*["all answer"] * len(runs), "host2's libvirt hangs")
    points = [
        Point("vm-check-guests", name, each.guests, "s", median=round(each.seconds, 2))
        for name, each in zip(series, (*runs, silent))
    ]
    print("\n".join(point.line() for point in points))
    record.tell(points, host1)
    assert runs[-1].seconds < MOST_S
    few, _some, lots = runs
    assert lots.seconds / lots.guests <= LINEAR * few.seconds / few.guests
    assert silent.seconds < lots.seconds + SILENT_S + OWN_S
