# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hosts' libvirts tell: all asked at the same time, in two rounds.

First what each host has; then, once it is known what the guests need, whether each has that. A host
that does not answer in time is silent.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from check.vm_check import needs
from check.vm_check.facts import Domain, HostFacts
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.thread_call import Call
from pmkvm.virt import definition, host, managed_save, other_job
from pmkvm.virt.connection import XML_INACTIVE, Connection, LibvirtError, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar
    from xml.etree.ElementTree import Element

    from check.vm_check.needs import Needs
    from pmkvm.virt.connection import Domain as LibvirtDomain

    T = TypeVar("T")

# Of each round.
ANSWER_S = 3.0
A_DOMAIN_S = 0.01


class Survey(NamedTuple):
    """None of a silent host; and why it is."""

    hosts: Mapping[str, HostFacts | None]
    silent: Mapping[str, str]


class _Host(NamedTuple):
    connection: Connection
    facts: HostFacts


def survey(uris: Mapping[str, str], local: str, count: int) -> Survey:
    """Of the hosts by name, each with its libvirt's URI; count: of guests."""
    first, silent = _ask_all(
        {node: partial(_first, uri, is_here=node == local) for node, uri in uris.items()},
        Deadline(ANSWER_S + A_DOMAIN_S * count),
    )
    wanted = needs.of_all(each.facts.domains for each in first.values())
    second, late = _ask_all(
        {
            node: partial(_second, each, wanted, is_here=node == local)
            for node, each in first.items()
        },
        Deadline(ANSWER_S + A_DOMAIN_S * count),
    )
    known: dict[str, HostFacts | None] = dict.fromkeys(uris)
    known.update(second)
    return Survey(known, {**silent, **late})


def _ask_all(
    questions: Mapping[str, Callable[[], T]], deadline: Deadline
) -> tuple[dict[str, T], dict[str, str]]:
    calls = {node: Call(f"asking {node}", question) for node, question in questions.items()}
    answers: dict[str, T] = {}
    silent: dict[str, str] = {}
    for node, call in calls.items():
        try:
            if not call.is_done(deadline):
                raise call.abandon()
            answers[node] = cast("T", call.result())
        except HaError as error:
            silent[node] = str(error)
    return answers, silent


def _first(uri: str, *, is_here: bool) -> _Host:
    """In a thread. Raises LibvirtError and DefinitionError."""
    begun = time.monotonic()
    connection = Connection(uri)
    capacity = host.or_else(host.Capacity(0, 0, 0), lambda: host.capacity(connection))
    versions = host.or_else(host.Versions(0, 0), lambda: host.versions(connection))
    domains = [_domain(each, is_here=is_here) for each in connection.domains()]
    facts = HostFacts(
        domains={each.name: each for each in domains if each is not None},
        uri=uri,
        networks=host.or_else({}, lambda: host.networks(connection)),
        pools=host.or_else({}, lambda: host.pools(connection)),
        memory_kib=capacity.memory_kib,
        free_kib=capacity.free_kib,
        processors=capacity.processors,
        libvirt=versions.libvirt,
        hypervisor=versions.hypervisor,
        seconds=time.monotonic() - begun,
    )
    return _Host(connection, facts)


def _domain(known: LibvirtDomain, *, is_here: bool) -> Domain | None:
    """None of one that has gone meanwhile."""
    name = known.name()
    try:
        status = known.status()
        runs = known.is_running()
        return Domain(
            name,
            known.uuid(),
            status.state.name.lower(),
            runs,
            _parsed(known.description(XML_INACTIVE)) if known.is_persistent() else None,
            live=_parsed(known.description()) if runs else None,
            autostart=host.or_else(False, known.starts_by_itself),
            saved=managed_save.describe(name, known, is_here=is_here),
            snapshots=host.or_else(0, known.snapshots),
            job=host.or_else("", lambda: other_job.under_way(known)) if runs else "",
            reason=status.reason,
        )
    except LibvirtError:
        return None


def _parsed(text: str) -> Element:
    return definition.parse(text.encode(), "libvirt's definition")


def _second(first: _Host, wanted: Needs, *, is_here: bool) -> HostFacts:
    """In a thread: of what the guests need, what this host has."""
    connection = first.connection
    return first.facts._replace(
        paths=dict(_paths(connection, wanted.paths, is_here=is_here)),
        cpus={
            domain: host.or_else("", partial(_cpu_lack, connection, need))
            for domain, need in wanted.cpus.items()
        },
    )


def _paths(
    connection: Connection, paths: Iterable[str], *, is_here: bool
) -> Iterable[tuple[str, str]]:
    for path in paths:
        if is_here:
            yield path, "" if os.path.exists(path) else "No such file or directory"
            continue
        try:
            yield path, host.lack(connection, path)
        except LibvirtError:
            continue


def _cpu_lack(connection: Connection, need: needs.Cpu) -> str:
    if host.has_cpu(connection, need.machine, need.cpu):
        return ""
    return "its CPU lacks what the guest's has"


def is_state(domain: Domain, state: State) -> bool:
    return domain.state == state.name.lower()
