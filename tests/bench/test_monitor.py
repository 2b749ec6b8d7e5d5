# SPDX-License-Identifier: GPL-2.0-or-later
"""What one monitor of a running guest costs, beside the peer's and virsh on the same guest."""

from __future__ import annotations

import json
import re
import statistics

from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guests.guests import Guest, Guests
    from tests.lab.hosts.machine import Machine

ROUNDS = 40
BAR = 0.20
OURS = "/usr/lib/ocf/resource.d/extra/VirtualDomain"
HEARTBEAT = "/usr/lib/ocf/resource.d/heartbeat/VirtualDomain"
ENVIRONMENT = {
    "OCF_ROOT": "/usr/lib/ocf",
    "OCF_RA_VERSION_MAJOR": "1",
    "OCF_RA_VERSION_MINOR": "1",
    "OCF_RESOURCE_PROVIDER": "extra",
    "OCF_RESOURCE_TYPE": "VirtualDomain",
    "OCF_RESOURCE_INSTANCE": "prmVMCTL_g1",
    "OCF_RESKEY_config": "/etc/libvirt/qemu/g1.xml",
    "OCF_RESKEY_hypervisor": "qemu:///system",
    "OCF_RESKEY_CRM_meta_timeout": "30000",
    "OCF_RESKEY_CRM_meta_interval": "10000",
    "HA_LOGFACILITY": "daemon",
}


def test_monitor_costs_a_fifth_of_the_peers(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    start_guest(guests, new_guest, host1)
    commands = {
        "extra:VirtualDomain": [OURS, "monitor"],
        "heartbeat:VirtualDomain": [HEARTBEAT, "monitor"],
        "virsh domstate": ["/usr/bin/virsh", "-c", "qemu:///system", "domstate", "g1"],
        "python3 -IS": ["/usr/bin/python3", "-IS", "-c", "pass"],
    }
    figures = measured(host1, commands, ROUNDS)
    print(f"\n{'':24} wall ms: min  median    CPU ms: min  median")
    for name, rounds in figures.items():
        wall, cpu = ([pair[at] for pair in rounds] for at in (0, 1))
        print(
            f"{name:24} {min(wall):12.1f} {statistics.median(wall):7.1f}"
            f" {min(cpu):14.1f} {statistics.median(cpu):7.1f}"
        )
    record.tell(_points(figures), host1)
    for at, what in ((0, "wall"), (1, "CPU")):
        ratio = median(figures, "extra", at) / median(figures, "heartbeat", at)
        print(f"{what}: {ratio:.3f} of heartbeat:VirtualDomain (bar {BAR})")
        assert ratio <= BAR


def _points(figures: dict[str, list[list[float]]]) -> Iterator[Point]:
    for at, what in enumerate(("wall", "CPU")):
        peers = median(figures, "heartbeat", at)
        for name, rounds in figures.items():
            values = record.spread([pair[at] for pair in rounds], 1)
            ratio = round(median(figures, name, at) / peers, 3)
            yield Point("monitor", name, what, "ms", ratio=ratio, **values)


def test_monitor_starts_no_process(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    start_guest(guests, new_guest, host1)
    trace = ["strace", "-f", "-e", "trace=process", "-o", "/tmp/trace", OURS, "monitor"]
    done = host1.run(trace, environment=ENVIRONMENT)
    assert done.rc == 0, done.err
    calls = [line for line in host1.read("/tmp/trace").splitlines() if is_process_start(line)]
    assert len(calls) == 1, calls
    assert "execve" in calls[0]


def measured(
    host: Machine, commands: dict[str, list[str]], rounds: int
) -> dict[str, list[list[float]]]:
    """What measure.py finds on that host, for each command by its name."""
    done = host.run(
        ["/usr/bin/python3", "-I", "/mnt/project/tests/bench/measure.py", str(rounds)],
        stdin=json.dumps(commands),
        environment=ENVIRONMENT,
        timeout_s=300,
    )
    assert done.rc == 0, done.err
    figures: dict[str, list[list[float]]] = json.loads(done.out)
    return figures


def is_process_start(line: str) -> bool:
    """A program begun or a process forked; a thread is neither."""
    if "resumed>" in line:
        return False
    return bool(re.search(r"\b(execve|fork|vfork)\(", line)) or (
        bool(re.search(r"\bclone3?\(", line)) and "CLONE_THREAD" not in line
    )


def start_guest(guests: Guests, new_guest: Callable[..., Guest], host: Machine) -> None:
    """Through our agent, so that it is remembered as under Pacemaker."""
    guest = new_guest("g1")
    done = host.run([OURS, "start"], environment=ENVIRONMENT, timeout_s=60)
    assert done.rc == 0, done.err
    guests.counter(guest).wait_for_boot()


def median(figures: dict[str, list[list[float]]], name: str, at: int) -> float:
    rounds = next(rounds for key, rounds in figures.items() if key.startswith(name))
    return statistics.median(pair[at] for pair in rounds)
