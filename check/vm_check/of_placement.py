# SPDX-License-Identifier: GPL-2.0-or-later
"""Where Pacemaker lets each guest run, and whether it cares for it at all. Pure.

Which constraint counts on which node now is Pacemaker's word: crm_mon's bans, and the scheduler's
scores. The CIB tells what a constraint says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from check.vm_check import cib_words
from check.vm_check.finding import Hinders, Kind, Severity
from pmkvm.pacemaker import failure, names
from pmkvm.pacemaker.resource import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Facts, Guest
    from check.vm_check.finding import Finding
    from pmkvm.pacemaker.status import Ban, Failure

_DELETE = (
    "remove the constraint {constraint}, if it is not meant: `pcs constraint delete {constraint}`"
)
SCORE_FORBIDS = Kind(
    "score-forbids",
    Severity.WARNING,
    "A constraint, or the sum of all scores, keeps the guest off that host.",
    _DELETE,
    Hinders.COMING,
)
RULE_FORBIDS = Kind(
    "rule-forbids",
    Severity.ERROR,
    "A rule over a node attribute, such as that of ping or diskd, keeps the guest off that host.",
    "mend what the attribute {attribute} tells of on {host}, or remove the constraint {constraint}",
    Hinders.COMING,
)
MOVE_LEFT = Kind(
    "move-left",
    Severity.WARNING,
    "A move by a person has left a constraint that keeps the guest off that host.",
    "`crm_resource --resource {resource} --clear`",
    Hinders.COMING,
)
FAILED = Kind(
    "failed",
    Severity.ERROR,
    "Pacemaker remembers a failed operation of the guest, which may keep it off that host.",
    "mend the reason, then `crm_resource --cleanup --resource {resource}`",
)
BLOCKED = Kind(
    "blocked",
    Severity.ERROR,
    "Pacemaker has given the guest up after a failure: it neither starts, stops nor moves it.",
    "mend the reason, then `crm_resource --cleanup --resource {resource}`",
)
UNMANAGED = Kind(
    "unmanaged",
    Severity.WARNING,
    "Pacemaker leaves the guest alone (is-managed): when it dies, or its host, nobody starts it.",
    "`crm_resource --resource {resource} --meta --delete-parameter is-managed`",
)
MOVES_COLD = Kind(
    "moves-cold",
    Severity.WARNING,
    "The guest has no allow-migrate: when it leaves a host, it is stopped and started.",
    "`crm_resource --resource {resource} --meta --set-parameter allow-migrate --parameter-value"
    " true`",
)
KINDS = (SCORE_FORBIDS, RULE_FORBIDS, MOVE_LEFT, FAILED, BLOCKED, UNMANAGED, MOVES_COLD)

STOPPED = "Stopped"


class _Index(NamedTuple):
    """By what each is asked for, so that many guests cost no more than one each."""

    bans: Mapping[tuple[str, str], list[Ban]]
    constraints: Mapping[str, tuple[Element, Element]]
    failures: Mapping[str, list[Failure]]


def findings(facts: Facts) -> Iterator[Finding]:
    index = _index(facts)
    for guest in facts.each():
        yield from _of_care(facts, guest)
        for node in facts.online():
            yield from _of_node(facts, guest, node, index)
        for each in index.failures.get(guest.resource, ()):
            text = failure.sentence(each, guest.resource)
            host = each.node
            yield FAILED.finding(guest.domain, text, host=host, resource=guest.resource)


def _index(facts: Facts) -> _Index:
    bans: dict[tuple[str, str], list[Ban]] = {}
    for ban in facts.cluster.bans:
        if ban.score <= -INFINITY:
            bans.setdefault((ban.resource, ban.node), []).append(ban)
    constraints: dict[str, tuple[Element, Element]] = {}
    for location in cib_words.root(facts).iterfind("configuration/constraints/rsc_location"):
        for rule in location.iter():
            constraints[rule.get("id", "")] = (location, rule)
    failures: dict[str, list[Failure]] = {}
    for each in facts.cluster.failures:
        # resource_task_interval, of which a task may have one underscore.
        name = each.key.rpartition("_")[0]
        for owner in {name.rpartition("_")[0], name.rpartition("_")[0].rpartition("_")[0]}:
            if each.task(owner):
                failures.setdefault(owner, []).append(each)
    return _Index(bans, constraints, failures)


def _of_care(facts: Facts, guest: Guest) -> Iterator[Finding]:
    fields = {"resource": guest.resource}
    is_wanted = guest.meta.get("target-role", "") != STOPPED
    if any(each.blocked for each in guest.instances):
        text = "Pacemaker has blocked it after a failure"
        yield BLOCKED.finding(guest.domain, text, **fields)
    elif is_wanted and not facts.cluster.maintenance and _is_left_alone(facts, guest):
        yield UNMANAGED.finding(guest.domain, "Pacemaker does not manage it", **fields)
    if not guest.may_migrate:
        yield MOVES_COLD.finding(guest.domain, "it is moved by a stop and a start", **fields)


def _is_left_alone(facts: Facts, guest: Guest) -> bool:
    """By its own meta attribute; a host in maintenance is said of the host."""
    quiet = {node.name for node in facts.cluster.nodes if node.maintenance}
    return any(not each.managed and not set(each.nodes) & quiet for each in guest.instances)


def _of_node(facts: Facts, guest: Guest, node: str, index: _Index) -> Iterator[Finding]:
    bans = index.bans.get((guest.resource, node), [])
    for ban in bans:
        yield _forbidding(facts, guest, node, index.constraints.get(ban.id), ban.id)
    if bans or facts.scores is None or _is_out(facts, node):
        return
    score = facts.scores.get(guest.resource, {}).get(node)
    is_wanted = guest.meta.get("target-role", "") != STOPPED and not facts.cluster.maintenance
    has_failed = any(each.node == node for each in index.failures.get(guest.resource, ()))
    if score is not None and score <= -INFINITY and is_wanted and not has_failed:
        text = f"the sum of Pacemaker's scores keeps it off {node}, as by a colocation"
        yield SCORE_FORBIDS.finding(guest.domain, text, host=node, constraint="that forbids it")


def _is_out(facts: Facts, node: str) -> bool:
    return any(each.name == node and each.standby for each in facts.cluster.nodes)


def _forbidding(
    facts: Facts, guest: Guest, node: str, found: tuple[Element, Element] | None, name: str
) -> Finding:
    location = name if found is None else found[0].get("id", name)
    expression = None if found is None else found[1].find("expression[@attribute]")
    attribute = "" if expression is None else expression.get("attribute", "")
    if location.startswith(names.MOVE_PREFIXES):
        text = f"{location} keeps it off {node}"
        return MOVE_LEFT.finding(guest.domain, text, host=node, resource=guest.resource)
    if attribute and not attribute.startswith("#"):
        value = facts.cluster.attributes.get(node, {}).get(attribute)
        said = "is not set" if value is None else f"is {value}"
        text = f"{location}: {attribute} {said} on {node}"
        fields = {"attribute": attribute, "constraint": location}
        return RULE_FORBIDS.finding(guest.domain, text, host=node, **fields)
    text = f"{location} keeps it off {node}"
    return SCORE_FORBIDS.finding(guest.domain, text, host=node, constraint=location)
