# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of the guests of a host that is emptied: where Pacemaker would put each, and how.

Pacemaker is asked by its own simulation of the CIB with that host in standby, which changes
nothing.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from check.vm_check.verdict import Verdict, Way
from pmkvm.pacemaker import tools
from pmkvm.virt import memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from check.vm_check.facts import Facts, Guest
    from pmkvm.deadline import Deadline

_MOVES = ("migrate", "move")


class Planned(NamedTuple):
    """What Pacemaker would do with a resource; node: where it is then, empty for nowhere."""

    action: str
    node: str


class Departure(NamedTuple):
    """Of one guest. to: where Pacemaker would put it, the host itself if it leaves it there, empty
    for nowhere; None: it was not told."""

    guest: Guest
    to: str | None
    verdict: Verdict


def simulate(facts: Facts, host: str, deadline: Deadline) -> dict[str, Planned]:
    """By resource, of those that would move or end. Raises HaError."""
    return parse(tools.simulate(with_standby(facts.cib, host), deadline, ("--simulate",)))


def with_standby(cib: etree._Element, host: str) -> str:
    """The CIB's text, with that host in standby."""
    root = copy.deepcopy(cib)
    nodes = root.find("configuration/nodes")
    if nodes is None:
        return etree.tostring(root, encoding="unicode")
    node = next((each for each in nodes if each.get("uname") == host), None)
    if node is None:
        # A Pacemaker Remote node need not stand among the configured ones.
        values = {"id": host, "uname": host, "type": "remote"}
        node = etree.SubElement(nodes, "node", values)
    own = node.find("instance_attributes")
    if own is None:
        own = etree.SubElement(node, "instance_attributes", {"id": "vm-check-standby"})
    for old in own.findall("nvpair[@name='standby']"):
        own.remove(old)
    values = {"id": "vm-check-standby-on", "name": "standby", "value": "on"}
    etree.SubElement(own, "nvpair", values)
    return etree.tostring(root, encoding="unicode")


def parse(answer: str) -> dict[str, Planned]:
    """Raises BadAnswerError."""
    found: dict[str, Planned] = {}
    for action in tools.parsed(answer, "crm_simulate").iterfind(".//actions/rsc_action"):
        resource, kind = action.get("resource", ""), action.get("action", "")
        if kind in _MOVES:
            found[resource] = Planned(kind, action.get("dest", ""))
        elif kind == "stop":
            found.setdefault(resource, Planned(kind, ""))
    return found


def departures(
    facts: Facts,
    host: str,
    verdicts: Mapping[str, Mapping[str, Verdict]],
    planned: Mapping[str, Planned] | None,
) -> list[Departure]:
    """Of the guests that live there, in the order of their names. Pure."""
    found = []
    for guest in sorted(facts.each(), key=lambda each: each.domain):
        if facts.origin(guest) != host:
            continue
        # What stays where it is Pacemaker does not name.
        where = None if planned is None else planned.get(guest.resource, Planned("", host)).node
        its = verdicts[guest.domain]
        others = {node: each for node, each in its.items() if node != host}
        verdict = others[where] if where in others else _best(others)
        found.append(Departure(guest, where, verdict))
    return found


def _best(verdicts: Mapping[str, Verdict]) -> Verdict:
    order = (Way.LIVE, Way.RESTART, Way.UNKNOWN, Way.NO)
    known = [each for each in verdicts.values() if each.way in order]
    return min(known, key=lambda each: order.index(each.way), default=Verdict(Way.NO))


def crowded(facts: Facts, leaving: Sequence[Departure]) -> dict[str, tuple[int, int]]:
    """The hosts where all that arrive have more memory, in KiB, than is free there: both. Pure."""
    sums: dict[str, int] = {}
    for each in leaving:
        root = facts.definition(each.guest)
        if each.to and each.to != facts.origin(each.guest) and root is not None:
            sums[each.to] = sums.get(each.to, 0) + memory.at_start_kib(root)
    known = facts.answering()
    return {
        node: (wanted, known[node].free_kib)
        for node, wanted in sums.items()
        if node in known and 0 < known[node].free_kib < wanted
    }
