# SPDX-License-Identifier: GPL-2.0-or-later
"""Why Pacemaker leaves a resource as it is: what holds it, and what forbids each node. Pure.

Which constraints count now, and on which node, is Pacemaker's word (crm_mon's bans, for which it
has evaluated every rule); the CIB tells what they say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm.pacemaker import failure, resource
from pmkvm.pacemaker.bonds import Kind
from pmkvm.pacemaker.status import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.bonds import Bond
    from pmkvm.pacemaker.document import CibDocument
    from pmkvm.pacemaker.status import Cluster

_NOT_INSTALLED = "5"
_SIGNS = {"eq": "=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def of(name: str, document: CibDocument, cluster: Cluster) -> list[str]:
    """All that there is, the cluster's own first; each stands for itself in a list."""
    everywhere = list(_of_others(name, document, cluster))
    found = [*_of_cluster(cluster), *_of_resource(name, cluster)]
    found += [*failure.sentences(cluster, name), *everywhere]
    for node in (each.name for each in cluster.nodes if each.kind in HOSTS):
        said = forbidding(name, node, document, cluster)
        found += [f"{node}: {each}" for each in said if each not in everywhere]
    return found


def problems(name: str, document: CibDocument, cluster: Cluster) -> list[str]:
    """What is wrong with that resource itself, in few words; none when all is well."""
    found = [*_of_resource(name, cluster), *failure.sentences(cluster, name)]
    for node in cluster.active_on(name):
        found += _degraded(name, node, document)
    hosts = cluster.online_hosts()
    missing = [] if cluster.active_on(name) else list(_of_others(name, document, cluster))
    found += missing
    barred = {
        node: [each for each in forbidding(name, node, document, cluster) if each not in missing]
        for node in hosts
    }
    if hosts and all(barred.values()):
        found.append("no node is allowed")
    bans = {node: list(_bans(name, node, document, cluster)) for node in hosts}
    return found + [f"{node}: {each}" for node, said in bans.items() for each in said]


def _degraded(name: str, node: str, document: CibDocument) -> Iterator[str]:
    """What its last monitor there found: an older one's finding stays in the history."""
    ops = [op for op in document.history(name, node) if op.get("operation") == "monitor"]
    last = max(ops, key=lambda op: int(op.get("last-rc-change", "0")), default=None)
    if last is not None and last.get("rc-code") == failure.DEGRADED:
        yield ": ".join(filter(None, ("degraded", last.get("exit-reason"))))


def _of_cluster(cluster: Cluster) -> Iterator[str]:
    if not cluster.dc:
        yield "the cluster has no node that decides (DC)"
    elif not cluster.has_quorum:
        yield "the cluster has no quorum"
    if cluster.maintenance:
        yield "the cluster is in maintenance-mode"


def _of_resource(name: str, cluster: Cluster) -> Iterator[str]:
    instances = cluster.instances(name)
    if not cluster.maintenance and not all(each.managed for each in instances):
        yield "unmanaged: the cluster leaves it alone"
    if any(each.blocked for each in instances):
        yield "blocked: Pacemaker leaves it as it is until its failure is cleaned up"
    if any(each.target_role == "Stopped" for each in instances):
        yield "disabled (target-role=Stopped)"


def forbidding(name: str, node: str, document: CibDocument, cluster: Cluster) -> list[str]:
    """Why it can't be started on that node now; a failed start there is not among it."""
    found = list(_of_node(node, cluster))
    # Of a probe crm_mon does not list that as a failure.
    if any(op.get("rc-code") == _NOT_INSTALLED for op in document.history(name, node)):
        found.append("its agent, or what that needs, is not installed there")
    found += _bans(name, node, document, cluster)
    for bond in document.bonds.get(name, ()):
        there = [other for other in bond.others if node in cluster.runs_on(other)]
        if bond.kind is Kind.WITH and not there:
            found += [_missing(bond, cluster)]
        elif bond.kind is Kind.APART and there:
            found += [f"{bond.id}: {there[0]} runs there, and it may not be with that"]
    return found


def _of_others(name: str, document: CibDocument, cluster: Cluster) -> Iterator[str]:
    """What it needs, and runs nowhere."""
    for bond in document.bonds.get(name, ()):
        if bond.kind is not Kind.APART and not any(map(cluster.runs_on, bond.others)):
            yield _missing(bond, cluster)


def _missing(bond: Bond, cluster: Cluster) -> str:
    others = " or ".join(bond.others)
    if bond.kind is Kind.AFTER:
        has_not = "which has not" if len(bond.others) == 1 else "and neither has"
        return f"{bond.id}: it starts after {others}, {has_not} started"
    is_somewhere = any(map(cluster.runs_on, bond.others))
    return f"{bond.id}: {others} {'does not run there' if is_somewhere else 'runs nowhere'}"


def _bans(name: str, node: str, document: CibDocument, cluster: Cluster) -> Iterator[str]:
    for ban in cluster.bans:
        if (ban.resource, ban.node) == (name, node) and ban.score <= -resource.INFINITY:
            yield _of_location(ban.id, node, document, cluster)


def _of_node(node: str, cluster: Cluster) -> Iterator[str]:
    for each in cluster.nodes:
        if each.name == node:
            if not each.online:
                yield "it is offline"
            if each.standby:
                yield "it is in standby"
            if each.maintenance and not cluster.maintenance:
                yield "it is in maintenance"


def _of_location(found_id: str, node: str, document: CibDocument, cluster: Cluster) -> str:
    """found_id: of a constraint or of a rule in one."""
    for location in document.configuration.iterfind("constraints/rsc_location"):
        for rule in location.iter():
            if rule.get("id") == found_id:
                said = list(_expressions(rule, cluster.attributes.get(node, {})))
                return f"{location.get('id')}" + (f": {', '.join(said)}" if said else "")
    return found_id


def _expressions(rule: Element, has: Mapping[str, str]) -> Iterator[str]:
    """Of a rule over node attributes, what the attributes are there; each once."""
    for name in dict.fromkeys(each.get("attribute", "") for each in rule.iterfind("expression")):
        if name and not name.startswith("#"):
            tests = [
                f"{_SIGNS[sign]} {each.get('value')}"
                for each in rule.iterfind(f"expression[@attribute='{name}']")
                for sign in [each.get("operation", "")]
                if sign in _SIGNS
            ]
            if name not in has:
                yield f"{name} is not set there"
            else:
                rest = f" (forbidden: {' or '.join(tests)})" if tests else ""
                yield f"{name} is {has[name]} there{rest}"
