# SPDX-License-Identifier: GPL-2.0-or-later
"""All that one run has to say, whatever form it is told in. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from check.vm_check import emptying, verdict
from check.vm_check.finding import CLUSTER, Severity, worst
from check.vm_check.verdict import Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from check.vm_check.emptying import Departure, Planned
    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding
    from check.vm_check.verdict import Verdict

WELL, WARNINGS, FAILS = 0, 1, 2


class Report(NamedTuple):
    """host: to be emptied; guest: the domain that was asked for; empty for all.

    verdicts: by domain and host. departures: of the guests of that host. crowded: KiB that arrive
    there, and that are free.
    """

    facts: Facts
    findings: Sequence[Finding]
    verdicts: Mapping[str, Mapping[str, Verdict]]
    host: str = ""
    guest: str = ""
    departures: Sequence[Departure] = ()
    crowded: Mapping[str, tuple[int, int]] = {}

    @property
    def code(self) -> int:
        """2 too where a guest of a host to be emptied can go nowhere, or nobody can tell."""
        severity = worst(list(self.findings))
        if severity is Severity.ERROR or any(map(self._is_stuck, self.departures)):
            return FAILS
        return WARNINGS if severity is Severity.WARNING or self.crowded else WELL

    def _is_stuck(self, departure: Departure) -> bool:
        return departure.to in ("", self.host) or departure.verdict.way in (Way.NO, Way.UNKNOWN)


def make(
    facts: Facts,
    found: Iterable[Finding],
    *,
    host: str = "",
    guest: str = "",
    planned: Mapping[str, Planned] | None = None,
) -> Report:
    """Of what was asked for: findings of other guests are left out."""
    every = list(found)
    verdicts = verdict.of_all(facts, every)
    leaving = emptying.departures(facts, host, verdicts, planned) if host else []
    shown = {each.guest.domain for each in leaving} if host else {guest} if guest else None
    others = set() if shown is None else set(facts.guests) - shown
    if shown is not None:
        others |= {each.subject for each in every} - shown - _places(facts)
    return Report(
        facts,
        [each for each in every if each.subject not in others],
        {name: its for name, its in verdicts.items() if name not in others},
        host,
        guest,
        leaving,
        emptying.crowded(facts, leaving),
    )


def _places(facts: Facts) -> set[str]:
    return {CLUSTER, *(node.name for node in facts.cluster.nodes)}
