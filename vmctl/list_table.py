# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of `resource list`. Pure."""

from __future__ import annotations

from vmctl import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pmkvm.pacemaker.status import Cluster
    from vmctl.registry import Registry

HEADINGS = ("Domain", "Resource", "Migration", "Preferred", "Running", "Move constraint")

MIGRATION = {"true": "on", "false": "off"}


def row(domain: str, registry: Registry, cluster: Cluster) -> tuple[str, ...]:
    resource = names.resource(domain)
    nodes = sorted({n for i in cluster.instances(resource) if i.active for n in i.nodes})
    return (
        domain,
        resource,
        MIGRATION.get(str(registry.meta(domain, "allow-migrate")).lower(), "NONE"),
        registry.preferred(domain) or "NONE",
        ",".join(nodes) or "Stopped",
        "yes" if registry.move_constraints(domain) else "no",
    )


def foreign_row(resource: str, node: str) -> tuple[str, ...]:
    """A guest that somebody else has registered: what vm-ctl can't know is a dash."""
    return ("-", resource, "-", "-", node, "-")


def on_node(node: str, registry: Registry, cluster: Cluster) -> list[tuple[str, ...]]:
    """All VirtualDomain resources that run there, ours or not."""
    rows = []
    for instance in sorted(cluster.resources):
        if node in instance.nodes and instance.agent.split(":")[-1] == "VirtualDomain":
            domain = names.domain(instance.id)
            known = domain is not None and registry.primitive(domain) is not None
            ours = row(domain, registry, cluster) if domain is not None and known else None
            rows.append(ours or foreign_row(instance.id, node))
    return rows


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need, headed and underlined."""
    lines = [HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines
    )
