# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of each guest on each host, by what was found. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from check.vm_check.finding import Finding, Hinders
from pmkvm.pacemaker.status import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from check.vm_check.facts import Facts, Guest


class Way(Enum):
    """How a guest gets to a host.

    HERE: it lives there. LIVE: it moves there live. RESTART: it is stopped, and started there.
    START: it is stopped now, and can be started there. NO: it can't run there. UNKNOWN: nobody can
    tell.
    """

    HERE = "here"
    LIVE = "live"
    RESTART = "restart"
    START = "start"
    NO = "no"
    UNKNOWN = "unknown"


GOES = (Way.LIVE, Way.RESTART, Way.START)


class Verdict(NamedTuple):
    """because: what stands in the way of a better one, and of a start there later; each is a
    finding."""

    way: Way
    because: Sequence[Finding] = ()

    @property
    def reasons(self) -> str:
        return "; ".join(dict.fromkeys(each.sentence for each in self.because))


_NO_START = (Hinders.START, Hinders.COMING)
_NO_LIVE = (Hinders.LIVE, Hinders.COMING)


def of_all(facts: Facts, found: Iterable[Finding]) -> dict[str, dict[str, Verdict]]:
    """By domain, then by host, of all hosts of the cluster."""
    by_place: dict[tuple[str, str], list[Finding]] = {}
    for each in found:
        if each.kind.hinders is not Hinders.NOTHING:
            by_place.setdefault((each.subject, each.host), []).append(each)
    nodes = sorted(node.name for node in facts.cluster.nodes if node.kind in HOSTS)
    return {
        guest.domain: {node: _of(facts, guest, node, by_place) for node in nodes}
        for guest in facts.each()
    }


def _of(
    facts: Facts, guest: Guest, node: str, found: Mapping[tuple[str, str], Sequence[Finding]]
) -> Verdict:
    origin = facts.origin(guest)
    own = [*found.get((guest.domain, node), ()), *found.get((guest.domain, ""), ())]
    because = [*found.get((node, ""), ()), *own]
    if node == origin:
        # What is not said of this host is of a live move away.
        back = [each for each in found.get((guest.domain, node), ()) if _hinders(each, _NO_START)]
        return Verdict(Way.HERE, back)
    if any(_hinders(each, (Hinders.COMING,)) for each in because):
        return Verdict(Way.NO, because)
    if any(_hinders(each, (Hinders.UNKNOWN,)) for each in because):
        return Verdict(Way.UNKNOWN, because)
    no_start = [each for each in because if _hinders(each, _NO_START)]
    if not origin:
        return Verdict(Way.NO if no_start else Way.START, no_start)
    if guest.may_migrate and not any(_hinders(each, _NO_LIVE) for each in because):
        return Verdict(Way.LIVE, because)
    return Verdict(Way.NO if no_start else Way.RESTART, because)


def _hinders(finding: Finding, ways: Sequence[Hinders]) -> bool:
    return finding.kind.hinders in ways


def is_stuck(verdicts: Mapping[str, Verdict]) -> bool:
    """Whether a guest can go to no host but the one where it is."""
    return not any(each.way in GOES for each in verdicts.values())
