# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for a program. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from check.vm_check.emptying import Departure
    from check.vm_check.facts import Facts
    from check.vm_check.finding import Finding
    from check.vm_check.report import Report
    from check.vm_check.verdict import Verdict


def render(report: Report) -> str:
    facts = report.facts
    document = {
        "exit_code": report.code,
        "this_host": facts.this_host,
        "hosts": [_host(facts, name) for name in sorted(facts.hosts)],
        "guests": [
            {
                "domain": name,
                "resource": facts.guests[name].resource,
                "runs_on": facts.origin(facts.guests[name]),
                "hosts": _verdicts(its),
            }
            for name, its in sorted(report.verdicts.items())
        ],
        "findings": [_finding(each) for each in report.findings],
    }
    if report.host:
        document["emptied"] = {
            "host": report.host,
            "departures": [_departure(each) for each in report.departures],
            "crowded": {
                node: {"arriving_kib": arriving, "free_kib": free}
                for node, (arriving, free) in sorted(report.crowded.items())
            },
        }
    return f"{json.dumps(document, indent=1)}\n"


def _host(facts: Facts, name: str) -> dict[str, object]:
    host = facts.hosts[name]
    known: dict[str, object] = {"name": name, "answers": host is not None}
    if host is None:
        return {**known, "reason": facts.silent.get(name, "")}
    return {
        **known,
        "memory_kib": host.memory_kib,
        "free_kib": host.free_kib,
        "cpus": host.processors,
        "libvirt": _version(host.libvirt),
        "hypervisor": _version(host.hypervisor),
        "seconds": round(host.seconds, 3),
    }


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _verdicts(verdicts: Mapping[str, Verdict]) -> dict[str, object]:
    return {
        node: {"verdict": each.way.value, "because": [one.kind.id for one in each.because]}
        for node, each in verdicts.items()
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "id": finding.kind.id,
        "severity": finding.kind.severity.value,
        "subject": finding.subject,
        "host": finding.host,
        "sentence": finding.sentence,
        "cure": finding.cure,
    }


def _departure(departure: Departure) -> dict[str, object]:
    return {
        "domain": departure.guest.domain,
        "to": departure.to,
        "verdict": departure.verdict.way.value,
        "because": [each.kind.id for each in departure.verdict.because],
    }
