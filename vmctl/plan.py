# SPDX-License-Identifier: GPL-2.0-or-later
"""What each command makes of a CIB: edits of a document, or the reasons against. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm.fencing import ban as bans
from pmkvm.fencing import instant
from pmkvm.fencing import role as roles
from pmkvm.pacemaker import names
from pmkvm.pacemaker.document import text
from vmctl import checks, guest
from vmctl.messages import Message, RefusedError, message, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from xml.etree.ElementTree import Element

    from pmkvm.fencing.ban import Ban
    from pmkvm.pacemaker.document import CibDocument
    from pmkvm.pacemaker.status import Cluster
    from vmctl.command_line import Request
    from vmctl.configuration import Configuration


def add(
    request: Request, configuration: Configuration, facts: checks.Facts, cib_document: CibDocument
) -> None:
    checks.addition(request, configuration, facts, cib_document)
    migrate = (request.migrate or configuration.text("vm_allow_migrate")) == "on"
    role = "Started" if request.running else "Stopped"
    known = set(cib_document.ids)
    for domain in request.domains:
        uuid = _running_uuid(domain, request, facts)
        new = guest.primitive(domain, configuration, allow_migrate=migrate, role=role, uuid=uuid)
        cib_document.section("resources").append(new)
        rules = list(guest.constraints(domain, request.preferred or "", configuration))
        cib_document.section("constraints").extend(rules)
        named = (inner.get("id") for each in (new, *rules) for inner in each.iter())
        ids = set(filter(None, named))
        refuse(message(36, id=taken) for taken in sorted(known & ids))
        known |= ids


def _running_uuid(domain: str, request: Request, facts: checks.Facts) -> str:
    """As libvirt has it where the guest runs, which is its preferred node."""
    if not request.running or domain in facts.without_uuid:
        return ""
    found = dict(facts.survey.having(domain)).get(request.preferred or "")
    return "" if found is None else (found.definition().findtext("uuid") or "")


def delete(domains: Sequence[str], cluster: Cluster, cib_document: CibDocument, now: float) -> None:
    checks.registered(domains, cib_document)
    problems = []
    for domain in domains:
        nodes = cluster.active_on(names.resource(domain))
        parent = cib_document.parent(domain)
        if nodes:
            problems.append(message(13, domain=domain, nodes=", ".join(nodes)))
        elif parent.tag != "resources":
            problems.append(message(39, domain=domain, parent=parent.get("id")))
    refuse([*problems, *held(domains, cib_document, now)])
    cib_document.discard(map(names.resource, domains))


class MigratingError(RefusedError):
    """A later try may be taken."""


def role(domains: Sequence[str], wanted: str, cib_document: CibDocument) -> None:
    """Raises BanError before a start under what nobody understands, RefusedError."""
    checks.registered(domains, cib_document)
    if wanted == "Started":
        for each in domains:
            ban_of(each, cib_document)
    else:
        # If it has migrated that way before, Pacemaker stops it where it was, and nowhere else.
        refuse(message(55, domain=each) for each in domains if cib_document.is_migrating(each))
    for domain in domains:
        cib_document.set_meta(domain, roles.ROLE, wanted)
        if cib_document.meta(domain, roles.MARK):
            # It is the administrator's now, and no guest's `on` takes that back.
            cib_document.set_meta(domain, roles.MARK, "")


def locate(
    domains: Iterable[str],
    cluster: Cluster,
    configuration: Configuration,
    cib_document: CibDocument,
) -> list[str]:
    """Where each runs is its preferred node from now on. Those that do not run stay as they are,
    and are returned."""
    score = configuration.text("vm_node_loc_act")
    old, new, stopped = [], [], []
    for domain in domains:
        nodes, preferred = cluster.active_on(names.resource(domain)), cib_document.preferred(domain)
        if len(nodes) > 1:
            raise RefusedError(message(38, domain=domain, nodes=", ".join(nodes)))
        if not nodes:
            stopped.append(domain)
        elif nodes[0] != preferred:
            old += [names.preferred_node(domain, preferred)] if preferred else []
            new.append(guest.preferred_node(domain, nodes[0], score))
    cib_document.discard(old)
    cib_document.section("constraints").extend(new)
    return stopped


def preferring(node: str, cib_document: CibDocument, cluster: Cluster) -> list[str]:
    """The guests at home there. Raises RefusedError."""
    refuse(checks.unfit_node(node, cib_document, cluster))
    return [domain for domain in cib_document.domains() if cib_document.preferred(domain) == node]


def unmove(domain: str, cib_document: CibDocument) -> None:
    """Raises MigratingError while Pacemaker migrates: see move.carry_out."""
    checks.registered((domain,), cib_document)
    found = cib_document.move_constraints(domain)
    if found and cib_document.is_migrating(domain):
        raise MigratingError(message(55, domain=domain))
    cib_document.discard([str(each.get("id")) for each in found])


def expired(domains: Iterable[str], cib_document: CibDocument, now: float) -> Iterator[str]:
    """The ids of bans and moves of these guests that have ended by themselves."""
    for domain in domains:
        ban = ban_of(domain, cib_document)
        if ban is not None and not ban.is_live(now):
            yield bans.name(ban.resource)
        for constraint in cib_document.move_constraints(domain):
            if _end(constraint) <= now:
                yield str(constraint.get("id"))


def _end(location: Element) -> float:
    """When a constraint ends by itself."""
    ends = [str(each.get("end")) for each in location.iterfind(".//date_expression[@end]")]
    try:
        return max(map(instant.from_text, ends), default=float("inf"))
    except ValueError:
        return float("inf")


def ban_of(domain: str, cib_document: CibDocument) -> Ban | None:
    """What a fence holds the guest by. Raises BanError."""
    name = names.resource(domain)
    found = [each for each in cib_document.locations(domain) if each.get("id") == bans.name(name)]
    return bans.find(text(found[0]), name) if found else None


def held(domains: Iterable[str], cib_document: CibDocument, now: float) -> Iterator[Message]:
    """What to say of guests that a fence keeps from running now."""
    for domain in domains:
        ban = ban_of(domain, cib_document)
        if ban is not None and ban.is_live(now):
            yield message(52, domain=domain, end=instant.to_text(ban.end))
