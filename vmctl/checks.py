# SPDX-License-Identifier: GPL-2.0-or-later
"""What speaks against registering guests: refusals and warnings, by name. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from vmctl import hosts, names
from vmctl.configuration import ENTRY_NUMBERS
from vmctl.messages import Message, message, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lxml import etree

    from pmkvm.pacemaker.status import Cluster
    from vmctl.command_line import Request
    from vmctl.configuration import Configuration
    from vmctl.hosts import Survey
    from vmctl.registry import Registry


class Facts(NamedTuple):
    """undefined: domains whose definition file is not on this host."""

    cluster: Cluster
    survey: Survey
    undefined: Sequence[str] = ()
    libvirt_guests: bool = False


def registered(domains: Iterable[str], registry: Registry) -> None:
    """Raises RefusedError."""
    refuse(
        message(15, domain=domain, resource=names.resource(domain))
        for domain in domains
        if not registry.has(domain)
    )


def addition(
    request: Request, configuration: Configuration, facts: Facts, registry: Registry
) -> None:
    """Raises RefusedError: with what is wrong with names, then guests, then the cluster."""
    refuse(message(30, domain=each) for each in request.domains if not names.is_usable(each))
    refuse(_domains(request, configuration, facts, registry))
    refuse(_cluster(request, configuration, facts, registry))
    refuse(_hosts(request, facts))


def _domains(
    request: Request, configuration: Configuration, facts: Facts, registry: Registry
) -> Iterator[Message]:
    asked = facts.survey.local in facts.survey.hosts
    for domain in request.domains:
        path = configuration.definition(domain)
        owner = _other_owner(path, registry)
        if asked and facts.survey.here(domain) is None:
            yield message(3, domain=domain)
        elif registry.has(domain):
            yield message(11, domain=domain, resource=names.resource(domain))
        elif owner is not None:
            agent = ":".join(str(owner.get(part)) for part in ("class", "provider", "type"))
            yield message(47, domain=domain, resource=owner.get("id"), agent=agent)
        elif domain in facts.undefined:
            yield message(33, domain=domain, path=path)


def _other_owner(path: str, registry: Registry) -> etree._Element | None:
    """Who else has a guest with a definition of that file name, wherever the file lies."""
    for primitive in registry.primitives.values():
        if primitive.get("type") == "VirtualDomain":
            for pair in primitive.iterfind("instance_attributes/nvpair[@name='config']"):
                if os.path.basename(str(pair.get("value"))) == os.path.basename(path):
                    return primitive
    return None


def _cluster(
    request: Request, configuration: Configuration, facts: Facts, registry: Registry
) -> Iterator[Message]:
    for watch in configuration.watches():
        if not registry.has_resource(watch.resource):
            text = f"{watch.resource} is no resource of this cluster"
            yield message(ENTRY_NUMBERS[watch.kind], where=watch.where, reason=text)
    if configuration.is_on("vm_stonith") and not facts.cluster.stonith_enabled:
        yield message(12)
    if request.preferred not in registry.nodes():
        yield message(16, node=request.preferred)


def _hosts(request: Request, facts: Facts) -> Iterator[Message]:
    for domain in request.domains:
        found = facts.survey.running_on(domain)
        nodes = ", ".join(found)
        if found and not request.running:
            yield message(31, domain=domain, nodes=nodes)
        elif request.running and found != [request.preferred]:
            nodes = nodes or "no host that could be asked"
            yield message(32, domain=domain, nodes=nodes, node=request.preferred)
        yield from _definitions(domain, facts.survey)


def _definitions(domain: str, survey: Survey) -> Iterator[Message]:
    here = survey.here(domain)
    for node, host in sorted(survey.hosts.items()):
        other = host.get(domain)
        if other is not None and other.autostart:
            yield message(48, domain=domain, node=node)
        if here is not None and other is not None:
            uuid, its = hosts.uuid(here.definition), hosts.uuid(other.definition)
            if uuid != its:
                yield message(45, domain=domain, node=node, uuid=uuid, other=its)


def warnings(request: Request, configuration: Configuration, facts: Facts) -> Iterator[Message]:
    for node, reason in sorted(facts.survey.silent.items()):
        yield message(34, node=node, reason=reason)
    if facts.libvirt_guests:
        yield message(49)
    yield from _bonds(configuration, facts.cluster)
    for domain in request.domains:
        here = facts.survey.here(domain)
        for node, host in sorted(facts.survey.hosts.items()) if here else ():
            if domain not in host:
                yield message(44, domain=domain, node=node)
            elif here is not None:
                place = hosts.place_of_difference(here.definition, host[domain].definition)
                if place is not None:
                    yield message(46, domain=domain, node=node, place=place)


def _bonds(configuration: Configuration, cluster: Cluster) -> Iterator[Message]:
    for watch in configuration.watches():
        if watch.kind in {"stonithd", "managerd"} and watch.is_binding():
            yield message(35, where=watch.where, resource=watch.resource)
            copies = (each for each in cluster.resources if watch.resource in each.parents)
            there = {node for each in copies if each.active for node in each.nodes}
            bare = [node for node in cluster.online_members() if node not in there]
            if bare:
                nodes = ", ".join(bare)
                yield message(50, where=watch.where, resource=watch.resource, nodes=nodes)
