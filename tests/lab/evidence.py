# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lab looks like when a test has failed: hosts, cluster, fencing, ends of the logs."""

from __future__ import annotations

from pmkvm.errors import HaError
from tests.lab.cluster.cluster import LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

LOG_LINES = 40
# Lines that say nothing about a resource or a host.
DULL = ("debug:", "info:")


def collect(lab: Lab) -> str:
    parts = [f"fenced: {event}" for event in lab.fencing.events()]
    parts += [f"QEMU on {name}: {process}" for name, process in lab.guests.processes()]
    for host in lab.hosts:
        parts.append(_of_host(host))
    return "\n".join(parts)


def _of_host(host: Machine) -> str:
    if not host.is_alive():
        return f"--- {host.name} is down"
    try:
        return "\n".join([f"--- {host.name}", *_commands(host)])
    except HaError as error:
        return f"--- {host.name}: {error}"


def _commands(host: Machine) -> list[str]:
    picture = host.run(["crm_mon", "-1rf"], timeout_s=10).out
    domains = host.run(["ls", "/run/libvirt/qemu", "/run/pm_kvm_tools"]).out
    lines = host.run(["tail", "-n", "400", LOG]).out.splitlines()
    told = [line for line in lines if not any(text in line for text in DULL)]
    return [picture, domains, *told[-LOG_LINES:]]
