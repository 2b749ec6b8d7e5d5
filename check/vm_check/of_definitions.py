# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the hosts have one definition of each guest, of one uuid. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.finding import Hinders, Kind, Severity
from pmkvm.pacemaker import resource_meta
from pmkvm.virt import definition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.finding import Finding

DEFINITION_MISSING = Kind(
    "definition-missing",
    Severity.ERROR,
    "The host has no definition of the guest, which can't be started there. A live move brings it"
    " there, but not back once it has ended.",
    "copy it from a host that has it: `virsh dumpxml --inactive {subject} > {subject}.xml`, and on"
    " {host} `virsh define {subject}.xml`",
    Hinders.START,
)
UUID_DIFFERS = Kind(
    "uuid-differs",
    Severity.ERROR,
    "The guest's uuid is not the same on all hosts: a live move fails, and a start there is refused"
    " or starts another machine.",
    "on {host}: `virsh undefine {subject}`, and `virsh define` the definition of uuid {uuid}",
    Hinders.COMING,
)
DEFINITION_DIFFERS = Kind(
    "definition-differs",
    Severity.WARNING,
    "libvirt's definition of the guest says something else on another host: after a restart there"
    " it is another machine.",
    "make them alike: `virsh dumpxml --inactive {subject}` on both, `virsh define` on one",
)
KINDS = (DEFINITION_MISSING, UUID_DIFFERS, DEFINITION_DIFFERS)


def findings(facts: Facts) -> Iterator[Finding]:
    for guest in facts.guests.values():
        yield from _of_guest(facts, guest)


def _of_guest(facts: Facts, guest: Guest) -> Iterator[Finding]:
    known = facts.domains(guest.domain)
    wanted = uuid(facts, guest)
    reference = next((known[n] for n in _order(facts, guest) if known[n].inactive), None)
    for node in facts.answering():
        there = known.get(node)
        if there is None or there.inactive is None:
            if node != facts.this_host or guest.file is None:
                text = f"{node} has no definition of it"
                yield DEFINITION_MISSING.finding(guest.domain, text, host=node)
        elif wanted and there.uuid != wanted:
            text = f"its uuid is {there.uuid} on {node}, and {wanted} elsewhere"
            yield UUID_DIFFERS.finding(guest.domain, text, host=node, uuid=wanted)
        elif reference is not None and reference.inactive is not None and there is not reference:
            place = definition.place_of_difference(reference.inactive, there.inactive)
            if place:
                text = f"its definition on {node} differs in {place}"
                yield DEFINITION_DIFFERS.finding(guest.domain, text, host=node)


def uuid(facts: Facts, guest: Guest) -> str:
    """By the cluster's word, else of the life, else of the definition here."""
    known = facts.domains(guest.domain)
    first = next(iter(_order(facts, guest)), "")
    return guest.meta.get(resource_meta.VM_UUID, "") or (known[first].uuid if first else "")


def _order(facts: Facts, guest: Guest) -> list[str]:
    """The hosts that have it, whose word counts most first."""
    known = facts.domains(guest.domain)
    return sorted(known, key=lambda node: (not known[node].runs, node != facts.this_host, node))
