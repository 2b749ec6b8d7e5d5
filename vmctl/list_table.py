# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of `resource list`. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.fencing.ban import BanError
from pmkvm.pacemaker import names, reasons, resource_meta
from pmkvm.virt import disks
from vmctl import plan

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from pmkvm.pacemaker.document import CibDocument
    from pmkvm.pacemaker.status import Cluster

HEADINGS = (
    *("Domain", "Resource", "Migration", "Preferred", "Running", "Move constraint"),
    *("Ban", "Problem"),
)
MIGRATION = {"true": "on", "false": "off"}


class Known(NamedTuple):
    """portless: the resources whose definition has no channel, where the cluster uses it."""

    cib_document: CibDocument
    cluster: Cluster
    now: float
    portless: Container[str] = ()


def row(domain: str, known: Known) -> tuple[str, ...]:
    cib_document, name = known.cib_document, names.resource(domain)
    return (
        domain,
        name,
        MIGRATION.get(str(cib_document.meta(domain, "allow-migrate")).lower(), "NONE"),
        cib_document.preferred(domain) or "NONE",
        ",".join(known.cluster.active_on(name)) or "Stopped",
        "yes" if cib_document.move_constraints(domain) else "no",
        _ban(domain, cib_document, known.now),
        _problem(name, known, _last_disks(domain, cib_document)),
    )


def _last_disks(domain: str, cib_document: CibDocument) -> list[str]:
    """The first live disk that some host's definition does not name, as the agent has found it."""
    text = cib_document.meta(domain, resource_meta.LAST_DISKS)
    return [f"definition differs: {disks.last_disks(text).first or 'its disks'}"] if text else []


def _problem(name: str, known: Known, differs: Sequence[str] = ()) -> str:
    found = reasons.problems(name, known.cib_document, known.cluster)
    return "; ".join([*found, *differs, *["channel missing"] * (name in known.portless)])


def _ban(domain: str, cib_document: CibDocument, now: float) -> str:
    """What a fence has left, or is just at."""
    try:
        ban = plan.ban_of(domain, cib_document)
    except BanError:
        return "not understood"
    if ban is None:
        return "no"
    return ban.operation if ban.is_live(now) else f"{ban.operation}, expired"


def on_node(node: str, known: Known) -> list[tuple[str, ...]]:
    """All VirtualDomain resources that run there, ours or not."""
    rows = []
    for instance in sorted(known.cluster.resources, key=lambda each: each.id):
        if node in instance.nodes and instance.agent.split(":")[-1] == "VirtualDomain":
            domain = names.domain(instance.id)
            if domain is not None and known.cib_document.has(domain):
                rows.append(row(domain, known))
            else:
                # What vm-ctl can't know of others' guests is a dash.
                problem = _problem(instance.id, known)
                rows.append(("-", instance.id, "-", "-", node, "-", "-", problem))
    return rows


def as_json(rows: Iterable[Sequence[str]]) -> str:
    """For programs: what the columns are called, in small letters and without blanks."""
    keys = [heading.lower().replace(" ", "_") for heading in HEADINGS]
    return json.dumps([dict(zip(keys, row)) for row in rows], indent=2, ensure_ascii=False) + "\n"
