# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hosts' libvirts tell: all asked at the same time, in two rounds.

First what each host has; then, once it is known what the guests need, whether each has that. A host
that does not answer in time is silent.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from check.vm_check import needs
from check.vm_check.facts import Domain, HostFacts
from pmkvm.deadline import Deadline
from pmkvm.virt import definition, host, managed_save, other_job
from pmkvm.virt.connection import XML_INACTIVE, Connection, ErrorCode, LibvirtError
from pmkvm.virt.survey import A_DOMAIN_S, ANSWER_S, ask_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from check.vm_check.needs import Cpu, Needs
    from pmkvm.virt.connection import Domain as LibvirtDomain


class Survey(NamedTuple):
    """None of a silent host; and why it is."""

    hosts: Mapping[str, HostFacts | None]
    silent: Mapping[str, str]


def survey(uris: Mapping[str, str], local: str, files: Collection[str]) -> Survey:
    """Of the hosts by name, each with its libvirt's URI; files: the guests' definitions."""
    room_s = ANSWER_S + A_DOMAIN_S * len(files)
    # A libvirtd that hangs does not even let us in: nobody waits longer for it.
    connections, silent = ask_all(uris, Connection, Deadline(ANSWER_S))

    def look(node: str) -> HostFacts:
        return _first(connections[node], uris[node], is_here=node == local)

    first, dumb = ask_all({node: node for node in connections}, look, Deadline(room_s))
    wanted = needs.of_all(first.values(), files)

    def again(node: str) -> HostFacts:
        return _second(connections[node], first[node], wanted, is_here=node == local)

    second, late = ask_all({node: node for node in first}, again, Deadline(room_s))
    known: dict[str, HostFacts | None] = dict.fromkeys(uris)
    known.update(second)
    return Survey(known, {**silent, **dumb, **late})


def _first(connection: Connection, uri: str, *, is_here: bool) -> HostFacts:
    """In a thread. Raises LibvirtError and DefinitionError."""
    begun = time.monotonic()
    capacity = host.or_else(host.Capacity(0, 0, 0), lambda: host.capacity(connection))
    versions = host.or_else(host.Versions(0, 0), lambda: host.versions(connection))
    domains = [_domain(each, is_here=is_here) for each in connection.domains()]
    return HostFacts(
        domains={each.name: each for each in domains if each is not None},
        uri=uri,
        networks=host.or_else({}, lambda: host.networks(connection)),
        cpu=host.or_else("", lambda: host.own_cpu(connection)),
        memory_kib=capacity.memory_kib,
        free_kib=capacity.free_kib,
        processors=capacity.processors,
        libvirt=versions.libvirt,
        hypervisor=versions.hypervisor,
        seconds=time.monotonic() - begun,
    )


def _domain(known: LibvirtDomain, *, is_here: bool) -> Domain | None:
    """None of one that has gone meanwhile."""
    name = known.name()
    try:
        status, runs = known.status(), known.is_running()
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
    except LibvirtError as error:
        if error.code == ErrorCode.NO_DOMAIN:
            return None
        raise


def _parsed(text: str) -> Element:
    return definition.parse(text.encode(), "libvirt's definition")


def _second(connection: Connection, first: HostFacts, wanted: Needs, *, is_here: bool) -> HostFacts:
    """In a thread: of what the guests need, what this host has."""
    nothing: dict[str, dict[str, str] | None] = {}
    pools = host.or_else(nothing, lambda: host.pools(connection))
    paths = {path for volumes in pools.values() for path in (volumes or {}).values()}
    # Many guests have one CPU.
    lacks = {cpu: _cpu_lack(connection, cpu) for cpu in set(wanted.cpus.values())}
    return first._replace(
        pools={name: volumes is not None for name, volumes in pools.items()},
        volumes={name: frozenset(volumes or ()) for name, volumes in pools.items()},
        paths=dict(_lacks(connection, wanted, paths, is_here=is_here)),
        cpus={domain: lacks[cpu] for domain, cpu in wanted.cpus.items()},
    )


def _lacks(
    connection: Connection, wanted: Needs, in_pools: set[str], *, is_here: bool
) -> Iterator[tuple[str, str]]:
    """What a pool has is there. Of all else the host itself is asked, which tells its log so."""
    for path in wanted.paths:
        if is_here:
            yield path, "" if os.path.exists(path) else "No such file or directory"
        elif path in in_pools:
            yield path, ""
        else:
            lack = host.or_else(None, partial(host.lack, connection, path))
            if lack is not None:
                yield path, lack


def _cpu_lack(connection: Connection, need: Cpu) -> str:
    return host.or_else("", partial(host.cpu_lack, connection, need.machine, need.cpu))
