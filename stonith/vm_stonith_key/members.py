# SPDX-License-Identifier: GPL-2.0-or-later
"""The members of a cluster of guests: their names there, their resources and uuids on the hosts."""

from __future__ import annotations

import re
from typing import NamedTuple

from pmkvm.errors import HaError
from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.pacemaker.targets import cluster_name, targets
from pmkvm.pacemaker.this_host import ThisHost
from pmkvm.virt import definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pmkvm.deadline import Deadline

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)


class MembersError(HaError):
    """All that is wrong with the members that were named."""


class Guest(NamedTuple):
    """A guest of the hosts' cluster, by its definition on this host."""

    resource: str
    domain: str
    uuid: str
    has_port: bool


class Member(NamedTuple):
    """node: its name in the guests' cluster."""

    node: str
    guest: Guest


class Cluster(NamedTuple):
    """The hosts' cluster. problems: of the guests that can't be identified, by resource."""

    name: str
    guests: tuple[Guest, ...]
    problems: Mapping[str, str]


def read(document: str, deadline: Deadline) -> Cluster:
    """Of a CIB, and the definitions that Pacemaker gives to agents here. Raises BadAnswerError."""
    configuration = tools.parsed(document, "cibadmin").find("configuration")
    if configuration is None:
        raise BadAnswerError("cibadmin's answer is no CIB")
    guests, problems = [], {}
    host = ThisHost()
    for resource, config in targets(configuration):
        path = ""
        try:
            path = host.definition_path(resource, config, deadline)
            root = definition.parse(definition.read(path), path)
            known = definition.identity_of(root, path)
        except HaError as error:
            problems[resource] = str(error)
        except OSError as error:
            problems[resource] = f"{path or 'no definition'}: {error.strerror}"
        else:
            if known.uuid:
                has_port = bool(definition.ports(root))
                guests.append(Guest(resource, known.name, known.uuid, has_port))
            else:
                problems[resource] = f"{path}: no <uuid>, without which nobody can be told apart"
    return Cluster(cluster_name(configuration), tuple(guests), problems)


def find(arguments: Sequence[str], cluster: Cluster) -> tuple[Member, ...]:
    """Each argument a domain, a resource, or NODE=either. Raises MembersError."""
    members, problems = [], []
    for argument in arguments:
        node, found, wanted = argument.partition("=")
        guests = _named(wanted if found else node, cluster)
        if not _NODE.fullmatch(node):
            problems.append(f"{node!r} is no name of a node: letters, digits, dots and dashes")
        elif len(guests) != 1:
            problems.append(_complaint(wanted if found else node, guests, cluster))
        else:
            members.append(Member(node, guests[0]))
    problems += _doubles(members, cluster)
    if not problems and len(members) < 2:  # noqa: PLR2004 - one guest has nobody to fence
        problems.append("a cluster has two members at least")
    if problems:
        raise MembersError("; ".join(problems))
    return tuple(members)


def _named(name: str, cluster: Cluster) -> list[Guest]:
    exact = [guest for guest in cluster.guests if guest.resource == name]
    return exact or [guest for guest in cluster.guests if guest.domain == name]


def _complaint(name: str, guests: Sequence[Guest], cluster: Cluster) -> str:
    if guests:
        return f"{name} is the domain of {' and '.join(guest.resource for guest in guests)}"
    if name in cluster.problems:
        return f"{name}: {cluster.problems[name]}"
    known = ", ".join(sorted(guest.domain for guest in cluster.guests)) or "none"
    unread = f"; not readable here: {', '.join(sorted(cluster.problems))}" * bool(cluster.problems)
    return f"{name} is no guest of this cluster that can be fenced (known: {known}{unread})"


def _doubles(members: Sequence[Member], cluster: Cluster) -> list[str]:
    """A uuid that two resources share would let one be fenced for the other."""
    found = []
    if len({member.guest.resource for member in members}) != len(members):
        found.append("one guest is named twice")
    if len({member.node.lower() for member in members}) != len(members):
        found.append("two members have the same name")
    for member in members:
        same = [g.resource for g in cluster.guests if g.uuid == member.guest.uuid]
        if len(same) > 1:
            found.append(f"{' and '.join(same)} have the same uuid, {member.guest.uuid}")
    return list(dict.fromkeys(found))
