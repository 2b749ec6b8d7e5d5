# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of `resource list`. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pmkvm.fencing.ban import BanError
from pmkvm.pacemaker import names, reasons, resource_meta
from pmkvm.virt import disks
from vmctl import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pmkvm.pacemaker.document import CibDocument
    from pmkvm.pacemaker.status import Cluster

HEADINGS = (
    *("Domain", "Resource", "Migration", "Preferred", "Running", "Move constraint", "Ban"),
    *("Disks differ", "Problem"),
)
MIGRATION = {"true": "on", "false": "off"}


def row(domain: str, cib_document: CibDocument, cluster: Cluster, now: float) -> tuple[str, ...]:
    return (
        domain,
        names.resource(domain),
        MIGRATION.get(str(cib_document.meta(domain, "allow-migrate")).lower(), "NONE"),
        cib_document.preferred(domain) or "NONE",
        ",".join(cluster.active_on(names.resource(domain))) or "Stopped",
        "yes" if cib_document.move_constraints(domain) else "no",
        _ban(domain, cib_document, now),
        _last_disks(domain, cib_document),
        _problem(names.resource(domain), cib_document, cluster),
    )


def _last_disks(domain: str, cib_document: CibDocument) -> str:
    """The first live disk that some host's definition does not name, as the agent has found it."""
    text = cib_document.meta(domain, resource_meta.LAST_DISKS)
    return disks.last_disks(text).first or "yes" if text else "no"


def _problem(name: str, cib_document: CibDocument, cluster: Cluster) -> str:
    return "; ".join(reasons.problems(name, cib_document, cluster))


def _ban(domain: str, cib_document: CibDocument, now: float) -> str:
    """What a fence has left, or is just at."""
    try:
        ban = plan.ban_of(domain, cib_document)
    except BanError:
        return "not understood"
    if ban is None:
        return "no"
    return ban.operation if ban.is_live(now) else f"{ban.operation}, expired"


def on_node(
    node: str, cib_document: CibDocument, cluster: Cluster, now: float
) -> list[tuple[str, ...]]:
    """All VirtualDomain resources that run there, ours or not."""
    rows = []
    for instance in sorted(cluster.resources, key=lambda each: each.id):
        if node in instance.nodes and instance.agent.split(":")[-1] == "VirtualDomain":
            domain = names.domain(instance.id)
            if domain is not None and cib_document.has(domain):
                rows.append(row(domain, cib_document, cluster, now))
            else:
                # What vm-ctl can't know of others' guests is a dash.
                problem = _problem(instance.id, cib_document, cluster)
                rows.append(("-", instance.id, "-", "-", node, "-", "-", "-", problem))
    return rows


def as_json(rows: Iterable[Sequence[str]]) -> str:
    """For programs: what the columns are called, in small letters and without blanks."""
    keys = [heading.lower().replace(" ", "_") for heading in HEADINGS]
    return json.dumps([dict(zip(keys, row)) for row in rows], indent=2, ensure_ascii=False) + "\n"
