# SPDX-License-Identifier: GPL-2.0-or-later
"""Many guests on a host: each is a QEMU with a channel and without a system, which does nothing."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.lab.cluster import stonith
from tests.lab.guests.enemy import status
from tests.lab.guests.guests import Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

MEMORY_MIB = 16
START_S = 300.0
_BOOT = re.compile(r"^ *<(kernel|initrd|cmdline)>.*\n", re.MULTILINE)
# utime, stime, and both of the children that were waited for.
_CPU = slice(11, 15)


class Spent(NamedTuple):
    """CPU seconds so far: of the daemon itself, and with its children."""

    own: float
    whole: float


def add(lab: Lab, names: Sequence[str]) -> None:
    """Defined on all hosts, registered on the first, stopped."""
    for name in names:
        guest = Guest(name, power="deaf", memory_mib=MEMORY_MIB)
        path = lab.guests.place(guest)
        with open(lab.guests.outside(path), "w", encoding="utf-8") as file:
            file.write(_BOOT.sub("", guest.xml()))
    for host in lab.hosts:
        define = f"for name in {' '.join(names)}; do virsh -q define /mnt/shared/images/$name.xml"
        host.must(["sh", "-ec", f"{define}; done"], timeout_s=120)
    host = lab.hosts[0]
    host.must(["vm-ctl", "resource", "add", ",".join(names), "-a", host.name], timeout_s=120)


def start(lab: Lab, names: Sequence[str]) -> None:
    """Back when Pacemaker has them started, and vm-connectd a connection to each."""
    host = lab.hosts[0]
    host.must(["vm-ctl", "resource", "start", ",".join(names), "--no-wait"])
    wanted = {f"prmVMCTL_{name}" for name in names}
    lab.cluster.wait(lambda _now: wanted <= connected(host), "channels to all of them", START_S)
    lab.cluster.wait_idle(START_S)


def connected(host: Machine) -> set[str]:
    guests = status(host)["guests"]
    assert isinstance(guests, list)
    return {each["resource"] for each in guests if each["is_connected"]}


def spent(host: Machine) -> dict[str, Spent]:
    """By the daemon's name."""
    pids = {"vm-connectd": status(host)["pid"], "vm-stonithd": stonith.status(host)["pid"]}
    return {name: _spent(host.read(f"/proc/{pid}/stat")) for name, pid in pids.items()}


def _spent(text: str) -> Spent:
    ticks = [int(each) / 100 for each in text.rpartition(")")[2].split()[_CPU]]
    return Spent(sum(ticks[:2]), sum(ticks))
