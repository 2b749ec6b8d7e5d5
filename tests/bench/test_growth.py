# SPDX-License-Identifier: GPL-2.0-or-later
"""How one monitor's cost grows with the guests of its host.

The others are QEMUs that were never given a kernel and are paused: they are processes and active
domains like any, and cost next to nothing besides.
"""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor

from tests.bench.test_monitor import OURS, measured, start_guest
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest, Guests
    from tests.lab.hosts.machine import Machine

COUNTS = (1, 50, 200)
ROUNDS = 30
# A monitor of a guest that is remembered looks at one process and asks for one domain.
BAR = 1.25
OTHER = """<domain type='qemu'>
  <name>other{number}</name>
  <memory unit='MiB'>8</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def test_monitor_does_not_grow_with_the_guests_of_the_host(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    start_guest(guests, new_guest, host1)
    walls: dict[int, float] = {}
    begun = 1
    for count in COUNTS:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda number: _begin(host1, number), range(begun, count)))
        begun = count
        assert len(guests.processes()) == count
        walls[count] = _measure(host1, count)
    ratio = walls[COUNTS[-1]] / walls[COUNTS[0]]
    print(f"{ratio:.2f} with {COUNTS[-1]} guests (bar {BAR})")
    assert ratio <= BAR


def _begin(host: Machine, number: int) -> None:
    path = f"/run/lab/other{number}.xml"
    host.write(path, OTHER.format(number=number))
    host.must(["virsh", "-q", "create", path, "--paused"], timeout_s=60)


def _measure(host: Machine, count: int) -> float:
    """The median CPU time of our monitor in ms; virsh's beside it."""
    commands = {
        "extra:VirtualDomain": [OURS, "monitor"],
        "virsh domstate": ["/usr/bin/virsh", "-c", "qemu:///system", "domstate", "g1"],
    }
    medians = []
    for name, rounds in measured(host, commands, ROUNDS).items():
        wall, cpu = (statistics.median(pair[at] for pair in rounds) for at in (0, 1))
        print(f"{count:4} guests  {name:24} wall {wall:6.1f} ms  CPU {cpu:6.1f} ms")
        medians.append(cpu)
        values = record.spread([pair[1] for pair in rounds], 1)
        record.tell([Point("monitor-guests", name, count, "ms", **values)], host)
    return float(medians[0])
