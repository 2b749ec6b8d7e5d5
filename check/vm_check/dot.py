# SPDX-License-Identifier: GPL-2.0-or-later
"""The report as a picture, in the language of graphviz. Pure.

Hosts are boxes with the guests that live there. A green arrow: moves there live; an orange one: is
stopped and started there; a broken red one: can't, with the reason. Dotted: who may fence whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check import cib_words, of_fence_devices
from check.vm_check.verdict import Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_check.report import Report
    from check.vm_check.verdict import Verdict

_EDGES = {
    Way.LIVE: 'color="forestgreen"',
    Way.RESTART: 'color="darkorange"',
    Way.START: 'color="darkorange"',
    Way.NO: 'color="red", style="dashed", arrowhead="tee"',
    Way.UNKNOWN: 'color="gray40", style="dashed"',
}
_MOST_LABEL = 60


def render(report: Report) -> str:
    lines = ["digraph vm_check {", *_head(), *_hosts(report), *_arrows(report), *_fences(report)]
    return "".join(f"{line}\n" for line in [*lines, "}"])


def _head() -> Iterator[str]:
    yield '  rankdir="LR"; compound="true"; fontname="sans-serif";'
    yield '  node [fontname="sans-serif", shape="box", style="rounded,filled", fillcolor="white"];'
    yield '  edge [fontname="sans-serif", fontsize="10"];'


def _hosts(report: Report) -> Iterator[str]:
    """A box each; a host needs a point of its own for arrows to end at."""
    facts = report.facts
    online = set(facts.cluster.online_hosts())
    homes: dict[str, list[str]] = {}
    for name in report.verdicts:
        homes.setdefault(facts.origin(facts.guests[name]), []).append(name)
    for host in sorted({*facts.hosts, *facts.silent, *(n.name for n in facts.cluster.nodes)}):
        state = "" if host in online else " (offline)"
        state = " (libvirt is silent)" if host in online and host in facts.silent else state
        yield f"  subgraph {quoted('cluster_' + host)} {{"
        yield f'    label={quoted(host + state)}; style="filled"; fillcolor="gray95";'
        yield f"    {_point(host)} [shape=point, style=invis];"
        yield from (f"    {_guest(report, name)}" for name in sorted(homes.get(host, ())))
        yield "  }"
    yield from (f"  {_guest(report, name)}" for name in sorted(homes.get("", ())))


def _guest(report: Report, name: str) -> str:
    has_any = any(each.subject == name for each in report.findings)
    colour = ', fillcolor="moccasin"' if has_any else ""
    stopped = "" if report.facts.origin(report.facts.guests[name]) else " (stopped)"
    return f"{quoted('guest ' + name)} [label={quoted(name + stopped)}{colour}];"


def _arrows(report: Report) -> Iterator[str]:
    for name, verdicts in sorted(report.verdicts.items()):
        for host, verdict in sorted(verdicts.items()):
            if verdict.way in _EDGES:
                ends = f"{quoted('guest ' + name)} -> {_point(host)}"
                style = f"{_EDGES[verdict.way]}, lhead={quoted('cluster_' + host)}"
                yield f"  {ends} [{style}{_label(verdict)}];"


def _label(verdict: Verdict) -> str:
    ids = ", ".join(dict.fromkeys(each.kind.id for each in verdict.because))
    if not ids:
        return ""
    return f", label={quoted(ids[:_MOST_LABEL])}, tooltip={quoted(verdict.reasons)}"


def _fences(report: Report) -> Iterator[str]:
    """Which device is for which host."""
    facts = report.facts
    for device in cib_words.of_class(facts, "stonith"):
        point = quoted(f"device {device.id}")
        yield f"  {point} [label={quoted(device.id)}, shape=octagon];"
        for node in facts.cluster.nodes:
            if node.kind == "member" and of_fence_devices.may_fence(device, node.name):
                style = f'style="dotted", color="blue", lhead={quoted("cluster_" + node.name)}'
                yield f"  {point} -> {_point(node.name)} [{style}];"


def _point(host: str) -> str:
    return quoted(f"host {host}")


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
