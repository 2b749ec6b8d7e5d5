# SPDX-License-Identifier: GPL-2.0-or-later
"""The report as a text file for node_exporter. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import channels
from check.vm_check.finding import Severity
from check.vm_check.verdict import Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.report import Report

    Sample = tuple[dict[str, str], float]

# How Pacemaker writes down a monitor of a guest that runs, and is not well.
_DEGRADED = 190


def render(report: Report) -> str:
    lines: list[str] = []
    for name, text, samples in _metrics(report):
        lines += [f"# HELP pm_kvm_{name} {text}", f"# TYPE pm_kvm_{name} gauge"]
        lines += [f"pm_kvm_{name}{_labels(labels)} {value:.15g}" for labels, value in samples]
    return "".join(f"{line}\n" for line in lines)


def _metrics(report: Report) -> Iterator[tuple[str, str, list[Sample]]]:
    facts = report.facts
    guests = [facts.guests[name] for name in sorted(report.verdicts)]
    yield "check_timestamp_seconds", "When vm-check has looked.", [({}, facts.now)]
    counts = {each.value: 0 for each in Severity}
    kinds: dict[tuple[str, str], int] = {}
    for each in report.findings:
        severity = each.kind.severity.value
        counts[severity] += 1
        kinds[each.kind.id, severity] = kinds.get((each.kind.id, severity), 0) + 1
    by_severity = [({"severity": name}, float(count)) for name, count in sorted(counts.items())]
    yield "findings", "What vm-check has found, by severity.", by_severity
    by_kind = [({"id": i, "severity": s}, float(n)) for (i, s), n in sorted(kinds.items())]
    yield "findings_by_id", "What vm-check has found, by id.", by_kind
    hosts = [({"host": n}, float(h is not None)) for n, h in sorted(facts.hosts.items())]
    yield "host_answers", "1: the host's libvirt has answered.", hosts
    running = [(_of(facts, each), float(bool(facts.origin(each)))) for each in guests]
    yield "guest_running", "1: the guest lives on that host.", running
    ill = [(_of(facts, each), float(is_degraded(facts, each))) for each in guests]
    yield "guest_degraded", "1: its last monitor said that it is degraded.", ill
    yield (
        "guest_channel_connected",
        "1: its vm-connectd has opened its port.",
        _channels(facts, guests),
    )
    ways = [_ways(report, each) for each in guests]
    yield "guest_ways_live", "To how many other hosts it could move live.", ways
    fences = [
        ({"target": target, "result": each.result}, each.at)
        for target, each in sorted(facts.fences.items())
    ]
    yield "last_fence_timestamp_seconds", "When Pacemaker has fenced the host last.", fences
    yield from _recorded(facts, guests)


def _recorded(facts: Facts, guests: Iterable[Guest]) -> Iterator[tuple[str, str, list[Sample]]]:
    """By this host's own record: another host's part is in that one's file."""
    names = {guest.resource: guest.domain for guest in guests}
    when: list[Sample] = []
    long: list[Sample] = []
    for (target, part), each in sorted(facts.fence_records.items()):
        if target in names:
            labels = {"guest": names[target], "part": part}
            what = {"operation": each.operation, "outcome": each.outcome}
            when.append(({**labels, **what}, each.at))
            long += [({**labels, "stage": n}, float(ms)) for n, ms in each.stages.items()]
    yield "guest_last_fence_timestamp_seconds", "When this host last had a part in its fence.", when
    yield "guest_last_fence_milliseconds", "How long that took, by stage.", long


def _of(facts: Facts, guest: Guest) -> dict[str, str]:
    return {"guest": guest.domain, "host": facts.origin(guest)}


def is_degraded(facts: Facts, guest: Guest) -> bool:
    """By the last result of its monitor where it lives."""
    node = facts.origin(guest)
    history = facts.measured.get(guest.resource, ())
    return any(
        each.rc == _DEGRADED and each.node == node and each.name == "monitor" for each in history
    )


def _channels(facts: Facts, guests: Iterable[Guest]) -> list[Sample]:
    """Of guests that live and have a port."""
    found: list[Sample] = []
    for guest in guests:
        for node, domain in facts.domains(guest.domain).items():
            port = None if domain.live is None else channels.port(domain.live)
            if port is not None:
                is_open = port.get("state") == "connected"
                found.append(({"guest": guest.domain, "host": node}, float(is_open)))
    return found


def _ways(report: Report, guest: Guest) -> Sample:
    verdicts = report.verdicts[guest.domain].values()
    count = sum(each.way is Way.LIVE for each in verdicts)
    return _of(report.facts, guest), float(count)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
