# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that are not there for guests, or whose libvirt does not answer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.finding import CLUSTER, Hinders, Kind, Severity
from pmkvm.pacemaker.status import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding

HOST_DOWN = Kind(
    "host-down",
    Severity.WARNING,
    "Pacemaker says that the host is offline: no guest can run there, and nothing was asked of it.",
    "on {subject}: `systemctl start pacemaker`",
    Hinders.COMING,
)
HOST_SILENT = Kind(
    "host-silent",
    Severity.ERROR,
    "The host's libvirt did not answer this host in time: what is there can't be told, and no guest"
    " can move there live.",
    "`virsh -c {uri} list` has to answer here; else look at libvirtd on {subject}",
    Hinders.UNKNOWN,
)
STANDBY = Kind(
    "standby",
    Severity.WARNING,
    "The host is in standby: Pacemaker puts no guest there.",
    "`crm_attribute --node {subject} --name standby --delete`",
    Hinders.COMING,
)
HOST_MAINTENANCE = Kind(
    "host-maintenance",
    Severity.WARNING,
    "The host is in maintenance: Pacemaker neither starts, stops nor watches guests there.",
    "`crm_attribute --node {subject} --name maintenance --delete`",
    Hinders.COMING,
)
MAINTENANCE = Kind(
    "maintenance",
    Severity.WARNING,
    "The cluster is in maintenance-mode: Pacemaker moves and restarts nothing.",
    "`crm_attribute --name maintenance-mode --delete`",
)
NO_QUORUM = Kind(
    "no-quorum",
    Severity.ERROR,
    "The cluster has no quorum, or no node that decides: Pacemaker starts nothing.",
    "`corosync-quorumtool` tells which hosts are missing",
)
KINDS = (HOST_DOWN, HOST_SILENT, STANDBY, HOST_MAINTENANCE, MAINTENANCE, NO_QUORUM)


def findings(facts: Facts) -> Iterator[Finding]:
    cluster = facts.cluster
    if cluster.maintenance:
        yield MAINTENANCE.finding(CLUSTER, "maintenance-mode is true")
    if not cluster.has_quorum:
        yield NO_QUORUM.finding(CLUSTER, "it has no quorum")
    for node in sorted(each for each in cluster.nodes if each.kind in HOSTS):
        if not node.online:
            yield HOST_DOWN.finding(node.name, "it is offline")
            continue
        if node.standby:
            yield STANDBY.finding(node.name, "it is in standby")
        if node.maintenance and not cluster.maintenance:
            yield HOST_MAINTENANCE.finding(node.name, "it is in maintenance")
        if node.name in facts.silent:
            sentence = f"its libvirt does not answer: {facts.silent[node.name]}"
            uri = facts.uris.get(node.name, "qemu:///system")
            yield HOST_SILENT.finding(node.name, sentence, uri=uri)
