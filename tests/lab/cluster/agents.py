# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtualDomain agents on the hosts, called as Pacemaker calls them and without it."""

from __future__ import annotations

import time

from pmkvm.errors import CommandTimeoutError
from tests.lab.guests.guests import IMAGES
from tests.ocf.agent import OVERDUE, Agent, Called

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

RESOURCE = "prmVMCTL_guest1"
# On the shared storage, so that it is the same for all hosts and none of libvirt's own.
CONFIG = f"{IMAGES}/guest1.xml"
LOG = "/var/log/lab-agents.log"
# `timeout` killed its whole group, itself with it; or just the agent.
_KILLED = (124, 137, -9)


def virtual_domain(provider: str, **parameters: str) -> Agent:
    """A resource that is not in the CIB, for the guest whose definition is CONFIG."""
    given = {
        "config": CONFIG,
        "hypervisor": "qemu:///system",
        "migration_transport": "tcp",
        # They would be written to a resource in the CIB.
        **{f"autoset_utilization_{one}": "no" for one in ("cpu", "host_memory", "hv_memory")},
        **parameters,
    }
    return Agent(f"/usr/lib/ocf/resource.d/{provider}/VirtualDomain", given, RESOURCE)


def call(
    host: Machine,
    agent: Agent,
    action: str,
    timeout_s: float = 30,
    more: Mapping[str, str] | None = None,
) -> Called:
    """One action in Pacemaker's environment and no other, killed at its timeout."""
    given = {"OCF_RESKEY_CRM_meta_on_node": host.name, "HA_LOGFILE": LOG, **(more or {})}
    environment = agent.environment(action, timeout_s, given)
    assignments = [f"{name}={value}" for name, value in environment.items()]
    argv = ["env", "-i", *assignments, "timeout", "-s", "KILL", str(timeout_s), agent.path, action]
    began = time.monotonic()
    try:
        done = host.run(argv, timeout_s=timeout_s + 5)
    except CommandTimeoutError as error:
        return Called(OVERDUE, "", str(error), time.monotonic() - began)
    rc = OVERDUE if done.rc in _KILLED else done.rc
    return Called(rc, done.out, done.err, time.monotonic() - began)


def migration(source: Machine, target: Machine) -> dict[str, str]:
    """What both actions of a migration are told."""
    prefix = "OCF_RESKEY_CRM_meta_migrate"
    return {f"{prefix}_source": source.name, f"{prefix}_target": target.name}


def forget(lab: Lab) -> None:
    """What agents of both providers remember of guests on the hosts."""
    for host in lab.hosts:
        host.must(["sh", "-c", "rm -rf /run/pm_kvm_tools /run/resource-agents/VirtualDomain-*"])
