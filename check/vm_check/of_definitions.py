# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the hosts have one definition of each guest, of one uuid, with its disks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.finding import Hinders, Kind, Severity
from pmkvm.pacemaker import resource_meta
from pmkvm.virt import agreement, definition, disks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.finding import Finding

DEFINITION_MISSING = Kind(
    "definition-missing",
    Severity.ERROR,
    "The host has no definition of the guest: it can't be started there. A live move passes.",
    "`virsh dumpxml --inactive {subject} > {subject}.xml` where it is defined, and on {host}"
    " `virsh define {subject}.xml`",
    Hinders.START,
)
FILE_UNREADABLE = Kind(
    "file-unreadable",
    Severity.ERROR,
    "The file that the parameter config names is not there on the host, or is no definition: a"
    " start there fails.",
    "`virsh dumpxml --inactive {subject}` into the file, or another config for {resource}",
    Hinders.START,
)
FILE_DIFFERS = Kind(
    "file-differs",
    Severity.WARNING,
    "The file that the parameter config names says something else than libvirt's own definition,"
    " which is the one that counts.",
    "`virsh define {path}`, or `virsh dumpxml --inactive {subject} > {path}`",
)
OTHER_UUID = Kind(
    "other-uuid",
    Severity.ERROR,
    "The guest's uuid is another on that host: no live move gets there, and a start is refused.",
    "on {host}: `virsh undefine --keep-nvram {subject}`, and `virsh define` the definition with"
    " uuid {uuid}",
    Hinders.COMING,
)
DEFINITION_DIFFERS = Kind(
    "definition-differs",
    Severity.WARNING,
    "libvirt's definition of the guest says something else on that host: after a restart there it"
    " is another machine.",
    "make them alike: `virsh dumpxml --inactive {subject}` on {other}, `virsh define` on {host}",
)
DISKS_DIFFER = Kind(
    "disks-differ",
    Severity.WARNING,
    "The guest runs with other disks than its definition names: after its next start they are"
    " those of the definition.",
    "`virsh attach-disk` or `virsh detach-disk` with --config, or `virsh edit {subject}`, on each"
    " host",
)
DISKS_OLDER = Kind(
    "disks-older",
    Severity.ERROR,
    "The guest's disks have newer data than the images that a definition names, as after a snapshot"
    " of its disks: the start there is refused, or loses that data.",
    "`virsh blockcommit {subject} DISK --active --pivot`, or name the newest image in the"
    " definition on {host}",
    Hinders.START,
)
KINDS = (
    *(DEFINITION_MISSING, FILE_UNREADABLE, FILE_DIFFERS, OTHER_UUID, DEFINITION_DIFFERS),
    *(DISKS_DIFFER, DISKS_OLDER),
)


def findings(facts: Facts) -> Iterator[Finding]:
    for guest in facts.each():
        reference = _reference(facts, guest)
        yield from _of_file(facts, guest)
        for node in facts.answering():
            yield from _of_host(facts, guest, node, reference)
        yield from _of_disks(facts, guest)


def uuid(facts: Facts, guest: Guest) -> str:
    """By the cluster's word, else of the life, else of the definition here."""
    known = facts.domains(guest.domain)
    order = _order(facts, guest)
    return guest.meta.get(resource_meta.VM_UUID, "") or (known[order[0]].uuid if order else "")


def _order(facts: Facts, guest: Guest) -> list[str]:
    """The hosts that have it; whose word counts most comes first."""
    known = facts.domains(guest.domain)
    return sorted(known, key=lambda node: (not known[node].runs, node != facts.this_host, node))


def _reference(facts: Facts, guest: Guest) -> tuple[str, Element | None]:
    """The definition that the others are compared with, and whose it is."""
    known, wanted = facts.domains(guest.domain), uuid(facts, guest)
    for node in _order(facts, guest):
        inactive = known[node].inactive
        if inactive is not None and known[node].uuid == wanted:
            return node, inactive
    return "", None


def _of_file(facts: Facts, guest: Guest) -> Iterator[Finding]:
    """A start needs the file on its host, whatever libvirt has; where libvirt has no definition
    either, that is said instead."""
    known = facts.domains(guest.domain)
    for node, host in () if guest.unclear else facts.answering().items():
        is_here = node == facts.this_host
        lack = host.paths.get(guest.config, "")
        reason = guest.file_error if is_here else lack and f"{guest.config}: {lack}"
        inactive = known[node].inactive if node in known else None
        if inactive is None:
            continue
        if reason:
            fields = {"host": node, "resource": guest.resource}
            yield FILE_UNREADABLE.finding(guest.domain, f"{reason}, on {node}", **fields)
        elif is_here and guest.file is not None:
            place = agreement.place_of_disagreement(guest.file, inactive)
            if place:
                text = f"{guest.config} differs in {place} from libvirt's own definition on {node}"
                yield FILE_DIFFERS.finding(guest.domain, text, host=node, path=guest.config)


def _of_host(
    facts: Facts, guest: Guest, node: str, reference: tuple[str, Element | None]
) -> Iterator[Finding]:
    there = facts.domains(guest.domain).get(node)
    wanted = uuid(facts, guest)
    if there is None or there.inactive is None:
        if not _has_file(facts, guest, node):
            text = f"{node} has no definition of it"
            yield DEFINITION_MISSING.finding(guest.domain, text, host=node)
    elif wanted and there.uuid != wanted:
        text = f"its uuid is {there.uuid} on {node}, and {wanted} for the cluster"
        yield OTHER_UUID.finding(guest.domain, text, host=node, uuid=wanted)
    elif reference[1] is not None and node != reference[0]:
        place = definition.place_of_difference(reference[1], there.inactive)
        if place:
            other = reference[0]
            text = f"its definition on {node} differs in {place} from that on {other}"
            yield DEFINITION_DIFFERS.finding(guest.domain, text, host=node, other=other)


def _has_file(facts: Facts, guest: Guest, node: str) -> bool:
    """Whether a start there can go by the file of the parameter config."""
    if node == facts.this_host:
        return guest.file is not None
    host = facts.hosts[node]
    return host is not None and host.paths.get(guest.config) == ""


def _of_disks(facts: Facts, guest: Guest) -> Iterator[Finding]:
    known = facts.domains(guest.domain)
    origin = next((node for node in known if known[node].live is not None), "")
    live = known[origin].live if origin else None
    running = () if live is None else disks.of(live)
    last = guest.meta.get(resource_meta.LAST_DISKS, "")
    for node, domain in known.items():
        if domain.inactive is None:
            continue
        defined = disks.of(domain.inactive)
        is_older = live is not None and disks.are_older(running, defined)
        if is_older or (live is None and last and not disks.last_disks(last).are_in(defined)):
            text = f"its definition on {node} names older images than it had last"
            yield DISKS_OLDER.finding(guest.domain, text, host=node)
        elif live is not None and node == origin:
            other = disks.first_difference(running, defined)
            if other is not None:
                text = f"it runs on {node} with other disks than defined, the first is {other}"
                yield DISKS_DIFFER.finding(guest.domain, text, host=node)
