# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for a person, grouped by what each finding is about. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import of_one_guest
from check.vm_check.finding import CLUSTER, Severity
from check.vm_check.verdict import Way
from pmkvm import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from check.vm_check.emptying import Departure
    from check.vm_check.finding import Finding
    from check.vm_check.report import Report

_WORDS = {
    Way.HERE: "runs there",
    Way.LIVE: "moves there live",
    Way.RESTART: "is stopped, and started there",
    Way.START: "can be started there",
    Way.NO: "can't run there",
    Way.UNKNOWN: "can't be told",
}
_LEAVES = {
    Way.LIVE: "moves live",
    Way.RESTART: "is restarted",
    Way.NO: "can't run anywhere else",
    Way.UNKNOWN: "can't be told",
}
_MARKS = {Severity.ERROR: "ERROR", Severity.WARNING: "warning"}


def render(report: Report) -> str:
    lines = [*_departures(report), *_guest(report), *_findings(report), _summary(report)]
    return "".join(f"{line}\n" for line in lines)


def _findings(report: Report) -> Iterator[str]:
    groups: dict[str, list[Finding]] = {}
    for each in report.findings:
        groups.setdefault(each.subject, []).append(each)
    guests = set(report.facts.guests)

    def order(subject: str) -> tuple[bool, bool, str]:
        return subject != CLUSTER, subject in guests, subject

    for subject in sorted(groups, key=order):
        yield f"{subject}:"
        for each in sorted(groups[subject], key=lambda one: one.kind.severity.value):
            yield f"  {_MARKS[each.kind.severity]} {each.kind.id}: {each.sentence}"
            yield f"    {each.cure}"
    if groups:
        yield ""


def _departures(report: Report) -> Iterator[str]:
    if not report.host:
        return
    if not report.departures:
        yield f"{report.host}: no guest runs there"
    else:
        rows = [_departure(each, report.host) for each in report.departures]
        yield columns.table(("Guest", "Leaves", "To", "Because"), rows).rstrip("\n")
    for node, (arriving, free) in sorted(report.crowded.items()):
        yield (
            f"warning: {arriving >> 10} MiB of guests would arrive on {node}, which has"
            f" {free >> 10} MiB free"
        )
    yield ""


def _departure(each: Departure, host: str) -> tuple[str, str, str, str]:
    to = "?" if each.to is None else each.to or "nowhere"
    way, name = each.verdict.way, each.guest.domain
    if each.to == host:
        return name, "stays", to, "Pacemaker leaves it there"
    if each.to == "" and way not in (Way.NO, Way.UNKNOWN):
        return name, "is stopped", to, "Pacemaker would start it nowhere"
    return name, _LEAVES.get(way, way.value), to, _reasons(each.verdict.because)


def _reasons(found: Iterable[Finding]) -> str:
    return "; ".join(dict.fromkeys(f"{each.kind.id}: {each.sentence}" for each in found))


def _guest(report: Report) -> Iterator[str]:
    if not report.guest:
        return
    guest = report.facts.guests[report.guest]
    yield f"{guest.domain} ({guest.resource}):"
    for node, verdict in sorted(report.verdicts.get(report.guest, {}).items()):
        reasons = f" ({_reasons(verdict.because)})" if verdict.because else ""
        yield f"  {node}: {_WORDS[verdict.way]}{reasons}"
    yield from (f"  {line}" for line in of_one_guest.lines(report.facts, guest))
    yield ""


def _summary(report: Report) -> str:
    errors = [each for each in report.findings if each.kind.severity is Severity.ERROR]
    warnings = len(report.findings) - len(errors)
    guests, hosts = len(report.verdicts), report.facts.cluster.online_hosts()
    found = [_count(len(errors), "error"), _count(warnings, "warning")]
    said = "all is well" if not report.findings else ", ".join(filter(None, found))
    return f"{_count(guests, 'guest') or 'no guest'} on {_count(len(hosts), 'host')}: {said}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}" if number else ""
