# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that are not there, or whose libvirt does not answer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.finding import Kind, Severity
from pmkvm.pacemaker.status import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding

HOST_DOWN = Kind(
    "host-down",
    Severity.WARNING,
    "Pacemaker says that the host is offline: no guest can run there, and nothing was asked of it.",
    "start Pacemaker on {subject}: `systemctl start pacemaker`",
)
HOST_SILENT = Kind(
    "host-silent",
    Severity.ERROR,
    "The host's libvirt did not answer this host in time: what is there can't be told, and no guest"
    " can move there live.",
    "`virsh -c {uri} list` from this host has to answer; look at libvirtd on {subject}",
)

KINDS = (HOST_DOWN, HOST_SILENT)


def findings(facts: Facts) -> Iterator[Finding]:
    for node in sorted(facts.cluster.nodes):
        if node.kind in HOSTS and not node.online:
            yield HOST_DOWN.finding(node.name, "it is offline")
    for name, reason in sorted(facts.silent.items()):
        if name in facts.online():
            sentence = f"its libvirt does not answer: {reason}"
            yield HOST_SILENT.finding(name, sentence, uri=facts.uris.get(name, "qemu:///system"))
