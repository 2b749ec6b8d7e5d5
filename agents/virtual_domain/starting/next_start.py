# SPDX-License-Identifier: GPL-2.0-or-later
"""Which definition the next start of a guest would use: on this host, and on the others.

That is libvirt's own where it has one, else the file in the parameter config. The other hosts'
files can't be read from here; where one of them would use its file, ours stands for it.
"""

from __future__ import annotations

from functools import partial

from agents.virtual_domain.migration.plan import plan
from pmkvm import knock
from pmkvm.errors import HaError, is_exhaustion, reason_of
from pmkvm.light_types import NamedTuple
from pmkvm.pacemaker import resource, status
from pmkvm.thread_call import Call
from pmkvm.virt import definition
from pmkvm.virt.connection import XML_INACTIVE, Connection
from pmkvm.virt.identity import DefinitionError, parse_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain
    from pmkvm.virt.identity import Identity

# All of the other hosts have this time together: over ssh one answers in half a second.
_ANSWER_S = 3.0
_CLUSTER_S = 10.0
_FILE_S = 2.0


class Definition(NamedTuple):
    """where: for a person, behind "the definition"."""

    where: str
    root: Element


class Peers(NamedTuple):
    """The cluster's other hosts: the hypervisors of those that are up, and those that are not."""

    uris: dict[str, str]
    down: list[str]


class Others(NamedTuple):
    """silent: hosts whose definition nobody can tell, each with the reason."""

    known: list[Definition]
    silent: list[str]


def of_domain(domain: Domain | None) -> Element | None:
    """libvirt's own definition, None if it has none. Raises LibvirtError and DefinitionError."""
    if domain is None or not domain.is_persistent():
        return None
    return definition.parse(domain.description(XML_INACTIVE).encode(), "libvirt's definition")


def of_file(context: Context, subject: Subject, deadline: Deadline) -> Definition:
    """Raises DefinitionError."""
    path = context.text("config")
    try:
        knock.require_answer(path, deadline.at_most(_FILE_S))
        root = definition.parse(definition.read(path), path)
    except OSError as error:
        if is_exhaustion(error):
            raise
        raise DefinitionError(f"{path}: {reason_of(error)}") from error
    _require_same(subject.identity, parse_uuid(root.findtext("uuid") or "", path), path)
    return Definition(f"in {path}", root)


def elsewhere(context: Context, subject: Subject, deadline: Deadline) -> Others:
    """On the other hosts, asked all at once."""
    try:
        others = peers(context, subject, deadline)
    except HaError as error:
        return Others([], [f"the other hosts are not known: {error}"])
    silent = [f"{node} is down" for node in others.down]
    calls = {
        node: Call(f"asking {uri}", partial(_ask, uri, subject.identity))
        for node, uri in others.uris.items()
    }
    roots: dict[str, Element | None] = {}
    in_time = deadline.at_most(_ANSWER_S)
    for node, call in calls.items():
        try:
            if not call.is_done(in_time):
                raise call.abandon()
            roots[node] = call.result()  # type: ignore[assignment]
        except HaError as error:
            silent.append(f"{node}: {error}")
    known = [Definition(f"on {node}", root) for node, root in roots.items() if root is not None]
    if None in roots.values():
        try:
            known.append(of_file(context, subject, deadline))
        except DefinitionError as error:
            silent.append(str(error))
    return Others(known, silent)


def peers(context: Context, subject: Subject, deadline: Deadline) -> Peers:
    """Raises HaError where the cluster can't be asked."""
    here = resource.local_node(deadline.at_most(_CLUSTER_S))
    nodes = status.query(deadline.at_most(_CLUSTER_S)).nodes
    others = [node for node in nodes if node.kind == "member" and node.name != here]
    return Peers(
        {
            node.name: plan(context, subject.uri, node.name).remote_uri
            for node in others
            if node.online
        },
        [node.name for node in others if not node.online],
    )


def _ask(uri: str, identity: Identity) -> Element | None:
    with Connection(uri) as connection:
        domain = connection.lookup(identity.name)
        if domain is not None:
            where = f"libvirt's definition of {identity.name}"
            _require_same(identity, domain.uuid(), where)
        return of_domain(domain)


def _require_same(identity: Identity, uuid: str, where: str) -> None:
    """A start by another domain's definition is refused: it is no next start."""
    if identity.uuid and uuid and uuid != identity.uuid:
        raise DefinitionError(f"{where} is another domain's ({uuid})")
