# SPDX-License-Identifier: GPL-2.0-or-later
"""What speaks against registering guests: refusals and warnings, by name. Pure."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.pacemaker import failure, names
from pmkvm.pacemaker.status import HOSTS
from pmkvm.virt import definition
from vmctl.configuration import ENTRY_NUMBERS
from vmctl.messages import Message, message, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pmkvm.pacemaker.document import CibDocument
    from pmkvm.pacemaker.status import Cluster
    from pmkvm.pacemaker.targets import Guest
    from pmkvm.virt.survey import Survey
    from vmctl.command_line import Request
    from vmctl.configuration import Configuration


class Facts(NamedTuple):
    """undefined: domains whose definition file is not on this host; without_uuid: those that
    libvirt gives another uuid at each start; kept_here: what each has on a disk of one host."""

    cluster: Cluster
    survey: Survey
    undefined: Sequence[str] = ()
    libvirt_guests: bool = False
    kept_here: Mapping[str, Sequence[str]] = {}
    without_uuid: Sequence[str] = ()


def registered(domains: Iterable[str], cib_document: CibDocument) -> None:
    """Raises RefusedError."""
    refuse(
        message(15, domain=domain, resource=names.resource(domain))
        for domain in domains
        if not cib_document.has(domain)
    )


def unfit_node(name: str, cib_document: CibDocument, cluster: Cluster) -> Iterator[Message]:
    """What speaks against a node for guests: it is none of this cluster's, or runs none."""
    kind = cluster.kind(name)
    if kind == "guest":
        yield message(75, node=name)
    elif name not in cib_document.nodes() and kind not in HOSTS:
        # Remote nodes need not stand among the configured ones.
        yield message(16, node=name)


def remote_node(name: str, configuration: Configuration, cluster: Cluster) -> Iterator[Message]:
    """A warning where guests fence each other, for a node on which that is refused."""
    fences = any(each.kind == "stonithd" for each in configuration.required_clones())
    if fences and cluster.kind(name) == "remote":
        yield message(76, node=name)


def failed_elsewhere(resources: Iterable[str], cluster: Cluster) -> Iterator[Message]:
    """What a guest that runs now has failed at, beside where it runs."""
    for name in sorted(resources):
        for each in cluster.failures_of(name):
            if each.task(name) == "start":
                reason = failure.sentence(each, name)
                yield message(78, domain=names.domain(name), resource=name, reason=reason)


def addition(
    request: Request, configuration: Configuration, facts: Facts, cib_document: CibDocument
) -> None:
    """Raises RefusedError: with what is wrong with names, then guests, then the cluster."""
    refuse(message(30, domain=each) for each in request.domains if not names.is_usable(each))
    refuse(_domains(request, configuration, facts, cib_document))
    refuse(_cluster(request, configuration, facts, cib_document))
    refuse(_hosts(request, facts.survey))


def _domains(
    request: Request, configuration: Configuration, facts: Facts, cib_document: CibDocument
) -> Iterator[Message]:
    owners = _owners(cib_document)
    asked = facts.survey.local in facts.survey.hosts
    for domain in request.domains:
        path = configuration.definition(domain)
        owner = owners.get(posixpath.basename(path))
        if asked and facts.survey.here(domain) is None:
            yield message(3, domain=domain)
        elif cib_document.has(domain):
            yield message(11, domain=domain, resource=names.resource(domain))
        elif owner is not None:
            yield message(47, domain=domain, resource=owner.id, agent=owner.agent)
        elif domain in facts.undefined:
            yield message(33, domain=domain, path=path)


def _owners(cib_document: CibDocument) -> dict[str, Guest]:
    """Who has a guest already, by the name of its definition, wherever that lies.

    Also one that is given it on some host only, or at some time: it may be started there.
    """
    found: dict[str, Guest] = {}
    for owner in cib_document.guests():
        for path in owner.config.possible:
            found.setdefault(posixpath.basename(path), owner)
    return found


def _cluster(
    request: Request, configuration: Configuration, facts: Facts, cib_document: CibDocument
) -> Iterator[Message]:
    for required in configuration.required_clones():
        if not cib_document.has_resource(required.resource):
            reason = f"{required.resource} is no resource of this cluster"
            yield message(ENTRY_NUMBERS[required.kind], where=required.where, reason=reason)
    if configuration.fences() and not facts.cluster.stonith_enabled:
        yield message(12, option=facts.cluster.fencing_option)
    yield from unfit_node(request.preferred or "", cib_document, facts.cluster)


def _hosts(request: Request, survey: Survey) -> Iterator[Message]:
    for domain in request.domains:
        here, having = survey.here(domain), survey.having(domain)
        running = [node for node, there in having if there.running]
        nodes = ", ".join(running) or "no host that could be asked"
        if running and not request.running:
            yield message(31, domain=domain, nodes=nodes)
        elif request.running and running != [request.preferred]:
            yield message(32, domain=domain, nodes=nodes, node=request.preferred)
        for node, there in having:
            if there.autostart:
                yield message(48, domain=domain, node=node)
            if here is None or here.xml == there.xml:
                continue
            uuid = here.definition().findtext("uuid", "none")
            other = there.definition().findtext("uuid", "none")
            if uuid != other:
                yield message(45, domain=domain, node=node, uuid=uuid, other=other)


def warnings(request: Request, configuration: Configuration, facts: Facts) -> Iterator[Message]:
    survey = facts.survey
    for node, reason in sorted(survey.silent.items()):
        yield message(34, node=node, reason=reason)
    yield from remote_node(request.preferred or "", configuration, facts.cluster)
    if facts.libvirt_guests:
        yield message(49)
    yield from _now(request, configuration, facts.cluster)
    yield from _bonds(configuration, facts.cluster)
    yield from _managed_saves(request, survey)
    yield from _kept_here(request, facts)
    for domain in filter(survey.here, request.domains):
        having = dict(survey.having(domain))
        here = having[survey.local]
        for node in sorted(survey.hosts):
            if node not in having:
                yield message(44, domain=domain, node=node)
            elif having[node].xml != here.xml:
                its = having[node].definition()
                place = definition.place_of_difference(here.definition(), its)
                if place is not None:
                    yield message(46, domain=domain, node=node, place=place)


def _managed_saves(request: Request, survey: Survey) -> Iterator[Message]:
    for domain in request.domains:
        for node, there in survey.having(domain):
            if there.is_saved:
                yield message(59, domain=domain, node=node)


def _kept_here(request: Request, facts: Facts) -> Iterator[Message]:
    for domain in request.domains:
        for what in facts.kept_here.get(domain, ()):
            yield message(62, domain=domain, what=what)


def _now(request: Request, configuration: Configuration, cluster: Cluster) -> Iterator[Message]:
    """What is not as the guests need it: their node is offline; nobody sets an attribute that
    decides where they may run."""
    offline = {each.name for each in cluster.nodes if each.kind in HOSTS and not each.online}
    # In a CIB file nobody need be online, and nothing is known of attributes.
    if request.preferred in offline and cluster.online_hosts():
        yield message(81, node=request.preferred)
    known = {name for node in cluster.attributes.values() for name in node}
    for required in configuration.required_clones():
        if cluster.online_hosts() and (required.attribute or "") not in {"", *known}:
            yield message(82, where=required.where, attribute=required.attribute)


def _bonds(configuration: Configuration, cluster: Cluster) -> Iterator[Message]:
    for required in configuration.required_clones():
        if required.kind in {"stonithd", "managerd"} and required.is_binding():
            arguments = {"where": required.where, "resource": required.resource}
            yield message(35, **arguments)
            copies = (each for each in cluster.resources if required.resource in each.parents)
            there = {node for each in copies if each.active for node in each.nodes}
            bare = ", ".join(each for each in cluster.online_hosts() if each not in there)
            if bare:
                yield message(50, nodes=bare, **arguments)
