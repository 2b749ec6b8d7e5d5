# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether each host has the CPU, the memory and the processors for each guest. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.finding import Hinders, Kind, Severity
from check.vm_check.of_supplies import definitions
from pmkvm.virt import memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding

CPU_LACKS = Kind(
    "cpu-lacks",
    Severity.ERROR,
    "The host's CPU, or its QEMU, lacks what the guest's CPU has: no live move gets there, and a"
    " start fails or gives the guest another CPU.",
    "a CPU that all hosts have: `virsh hypervisor-cpu-baseline` of all hosts, and `virsh edit"
    " {subject}` on each",
    Hinders.COMING,
)
MEMORY_SHORT = Kind(
    "memory-short",
    Severity.WARNING,
    "The host has not as much memory free as the guest has: it may fail to start there, or make"
    " the host swap.",
    "free memory on {host}, or give the guest less: `virsh setmaxmem {subject} --config`",
)
CPUS_SHORT = Kind(
    "cpus-short",
    Severity.WARNING,
    "The guest has more CPUs than the host has: it is slow there, and KVM may refuse it.",
    "`virsh setvcpus {subject} {processors} --config --maximum` on each host",
)
KINDS = (CPU_LACKS, MEMORY_SHORT, CPUS_SHORT)


def findings(facts: Facts) -> Iterator[Finding]:
    for guest in facts.each():
        origin = facts.origin(guest)
        for node, host in facts.answering().items():
            lack = host.cpus.get(guest.domain, "")
            if lack and node != origin:
                text = f"{node} has not its CPU: {lack}"
                yield CPU_LACKS.finding(guest.domain, text, host=node)
            for root in definitions(facts, guest, node):
                wanted = memory.at_start_kib(root)
                if node != origin and host.free_kib and wanted > host.free_kib:
                    text = f"it has {wanted >> 10} MiB, {node} has {host.free_kib >> 10} MiB free"
                    yield MEMORY_SHORT.finding(guest.domain, text, host=node)
                if host.processors and processors(root) > host.processors:
                    text = f"it has {processors(root)} CPUs, {node} has {host.processors}"
                    count = host.processors
                    yield CPUS_SHORT.finding(guest.domain, text, host=node, processors=count)


def processors(root: Element) -> int:
    text = (root.findtext("vcpu") or "").strip()
    return int(text) if text.isdigit() else 1
