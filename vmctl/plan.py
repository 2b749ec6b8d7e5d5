# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command would change, or why it may not: facts and request in, change out. Pure."""

from __future__ import annotations

from typing import NamedTuple

from lxml import etree

from pmkvm.pacemaker import resource
from vmctl import names
from vmctl.constraints import constraints
from vmctl.messages import Message, RefusedError, message
from vmctl.primitive import primitive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pmkvm.pacemaker.status import Cluster
    from vmctl.command_line import Request
    from vmctl.configuration import Configuration
    from vmctl.domains import Survey
    from vmctl.registry import Registry


class Facts(NamedTuple):
    """undefined: domains whose definition file is not on this host."""

    registry: Registry
    cluster: Cluster
    survey: Survey
    undefined: Sequence[str]


def add(request: Request, configuration: Configuration, facts: Facts) -> etree._Element:
    """The <configuration> to merge. Raises RefusedError."""
    refuse(unusable_names(request.domains))
    refuse(_unfit_domains(request, configuration, facts))
    refuse(_unfit_cluster(request, configuration, facts))
    refuse(_running(request, facts))
    node = request.preferred or ""
    allow_migrate = configuration.allow_migrate
    if request.migrate is not None:
        allow_migrate = request.migrate == "on"
    document = etree.Element("configuration")
    resources = etree.SubElement(document, "resources")
    rules = etree.SubElement(document, "constraints")
    role = "Started" if request.running else "Stopped"
    for domain in request.domains:
        resources.append(primitive(domain, configuration, allow_migrate=allow_migrate, role=role))
        rules.extend(constraints(domain, node, configuration))
    refuse(_taken_ids(document, facts.registry))
    return document


def unusable_names(domains: Iterable[str]) -> Iterator[Message]:
    for domain in domains:
        if not names.is_usable(domain):
            yield message(30, domain=domain)


def refuse(problems: Iterable[Message]) -> None:
    """Raise RefusedError with all of them, if there is any."""
    found = tuple(problems)
    if found:
        raise RefusedError(*found)


def _unfit_domains(
    request: Request, configuration: Configuration, facts: Facts
) -> Iterator[Message]:
    local = facts.survey.local
    for domain in request.domains:
        if local is not None and domain not in local.defined:
            yield message(3, domain=domain)
        elif facts.registry.primitive(domain) is not None:
            yield message(11, domain=domain, resource=names.resource(domain))
        elif domain in facts.undefined:
            yield message(33, domain=domain, path=configuration.definition(domain))


def _unfit_cluster(
    request: Request, configuration: Configuration, facts: Facts
) -> Iterator[Message]:
    for watch in configuration.watches:
        if not facts.registry.has_resource(watch.resource):
            text = f"{watch.resource} is no resource of this cluster"
            yield message(watch.number, where=watch.where, reason=text)
    if configuration.stonith and not facts.cluster.stonith_enabled:
        yield message(12)
    if request.preferred not in facts.registry.nodes():
        yield message(16, node=request.preferred)


def _running(request: Request, facts: Facts) -> Iterator[Message]:
    for domain in request.domains:
        hosts = facts.survey.hosts_of(domain)
        nodes = ", ".join(hosts)
        if hosts and not request.running:
            yield message(31, domain=domain, nodes=nodes)
        elif request.running and hosts != [request.preferred]:
            nodes = nodes or "no host that could be asked"
            yield message(32, domain=domain, nodes=nodes, node=request.preferred)


def _taken_ids(document: etree._Element, registry: Registry) -> Iterator[Message]:
    ours = {str(element.get("id")) for element in document.iterfind(".//*[@id]")}
    for taken in sorted(ours & registry.ids):
        yield message(36, id=taken)


def warnings(configuration: Configuration, survey: Survey) -> Iterator[Message]:
    for node, reason in survey.silent.items():
        yield message(34, node=node, reason=reason)
    for watch in configuration.watches:
        mandatory = abs(resource.score(watch.score)) >= resource.INFINITY
        if watch.kind in {"stonithd", "managerd"} and mandatory:
            yield message(35, where=watch.where, resource=watch.resource)


def unregistered(domains: Iterable[str], registry: Registry) -> Iterator[Message]:
    for domain in domains:
        if registry.primitive(domain) is None:
            yield message(15, domain=domain, resource=names.resource(domain))


def delete(domains: Sequence[str], registry: Registry, cluster: Cluster) -> list[str]:
    """The ids to remove, with all that refers to them. Raises RefusedError."""
    refuse(unregistered(domains, registry))
    refuse(_undeletable(domains, registry, cluster))
    doomed = [names.resource(domain) for domain in domains]
    return doomed + emptied(registry, set(doomed))


def _undeletable(domains: Iterable[str], registry: Registry, cluster: Cluster) -> Iterator[Message]:
    for domain in domains:
        nodes = {n for i in cluster.instances(names.resource(domain)) if i.active for n in i.nodes}
        element = registry.primitive(domain)
        parent = None if element is None else element.getparent()
        if nodes:
            yield message(13, domain=domain, nodes=", ".join(sorted(nodes)))
        elif parent is not None and parent.tag != "resources":
            yield message(39, domain=domain, parent=parent.get("id"))


def emptied(registry: Registry, doomed: set[str]) -> list[str]:
    """Sets and tags that would have no member left, and constraints that would have no set.

    The schema allows none of them to be empty.
    """
    found: list[str] = []
    for tag, member in (("resource_set", "resource_ref"), ("tag", "obj_ref")):
        for each in registry.configuration.iter(tag):
            members = {str(ref.get("id")) for ref in each.iterfind(member)}
            if members and members <= doomed:
                found.append(str(each.get("id")))
    gone = set(found)
    with_sets = registry.configuration.iterfind("constraints/*[resource_set]")
    return found + [
        str(each.get("id"))
        for each in with_sets
        if {str(own.get("id")) for own in each.iterfind("resource_set")} <= gone
    ]


def role(domains: Sequence[str], registry: Registry, wanted: str) -> etree._Element | None:
    """The <configuration> that gives all of them that target-role, None when they have it.

    Raises RefusedError.
    """
    refuse(unregistered(domains, registry))
    document = etree.Element("configuration")
    for domain in domains:
        if registry.meta(domain, "target-role") != wanted:
            _set_meta(document, domain, registry, wanted)
    return document if len(document) else None


def _set_meta(document: etree._Element, domain: str, registry: Registry, wanted: str) -> None:
    """Where target-role stands already, else in the first own set, else in a new one."""
    pair = registry.meta_pair(domain, "target-role")
    own = next(registry.meta_sets(domain), None) if pair is None else pair.getparent()
    primitive_id = names.resource(domain)
    set_id = _new_set_id(primitive_id, registry) if own is None else str(own.get("id"))
    pair_id = f"{set_id}-target-role" if pair is None else str(pair.get("id"))
    target = _skeleton(document, registry.primitive(domain))
    meta = etree.SubElement(target, "meta_attributes", {"id": set_id})
    etree.SubElement(meta, "nvpair", {"id": pair_id, "name": "target-role", "value": wanted})


def _new_set_id(primitive_id: str, registry: Registry) -> str:
    set_id = f"{primitive_id}-meta_attributes"
    # The usual id may be that of a set with a rule, which is not the one to write to.
    return f"{set_id}-vm-ctl" if set_id in registry.ids else set_id


def _skeleton(document: etree._Element, element: etree._Element | None) -> etree._Element:
    """The path from <configuration> to that element, with the ids that find it again."""
    if element is None or element.tag == "configuration":
        return document
    parent = _skeleton(document, element.getparent())
    name = element.get("id")
    for child in parent:
        if child.tag == element.tag and child.get("id") == name:
            return child
    return etree.SubElement(parent, element.tag, {} if name is None else {"id": str(name)})
