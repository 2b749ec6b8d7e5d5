# SPDX-License-Identifier: GPL-2.0-or-later
"""What `crm_mon --output-as=xml` says of nodes and resources, of Pacemaker 2.1 and 3.

Parsing is pure. A document without nodes or resources is a bad answer, never an empty cluster.
"""

from __future__ import annotations

from typing import NamedTuple

from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import BadAnswerError, ClusterDownError, ExitCode
from pmkvm.pacemaker.renamed import FENCING_ENABLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from pmkvm.deadline import Deadline

# The kinds of a node that is a machine of its own.
HOSTS = ("member", "remote")
# The last one makes no new entity of another one.
_ENTITIES = (("lt", "<"), ("gt", ">"), ("quot", '"'), ("apos", "'"), ("amp", "&"))
COLLECTIVES = ("group", "clone", "bundle")


class Node(NamedTuple):
    """What the cluster takes for a node.

    kind: member, remote, ping, unknown; guest for a remote node that a resource of the cluster is
    itself, such as a guest or a bundle.
    """

    name: str
    kind: str
    online: bool
    standby: bool = False
    maintenance: bool = False


class Resource(NamedTuple):
    """One instance; parents are the ids of group, clone and bundle around it, outermost first."""

    id: str
    agent: str
    role: str
    target_role: str | None
    active: bool
    managed: bool
    failed: bool
    blocked: bool
    pending: str | None
    nodes: tuple[str, ...]
    parents: tuple[str, ...]


class Failure(NamedTuple):
    """A failed operation that Pacemaker remembers (key: resource_task_intervalms).

    said: Pacemaker's words for the exit code, as "not installed". at: when it was. code: of it.
    """

    key: str
    node: str
    reason: str
    said: str = ""
    at: str = ""
    code: str = ""

    def task(self, resource: str) -> str:
        """Empty if it is no operation of that resource."""
        own = self.key.startswith(f"{resource}_")
        return self.key[len(resource) + 1 :].rpartition("_")[0] if own else ""


class Ban(NamedTuple):
    """A location constraint that forbids a node now; id is that of the constraint or its rule."""

    id: str
    resource: str
    node: str
    score: int


class Cluster(NamedTuple):
    """A moment of the cluster."""

    stonith_enabled: bool
    # What this Pacemaker calls the option.
    fencing_option: str
    nodes: tuple[Node, ...]
    resources: tuple[Resource, ...]
    failures: tuple[Failure, ...]
    # The node that decides, empty for none.
    dc: str = ""
    has_quorum: bool = True
    maintenance: bool = False
    bans: tuple[Ban, ...] = ()
    # Transient and permanent ones, of nodes that are online.
    attributes: Mapping[str, Mapping[str, str]] = {}

    def instances(self, resource: str) -> tuple[Resource, ...]:
        """All instances of that id: one, or one a copy when it is cloned."""
        return tuple(instance for instance in self.resources if instance.id == resource)

    def active_on(self, resource: str) -> list[str]:
        """The nodes that have an active instance of it."""
        found = self.instances(resource)
        return sorted({node for each in found if each.active for node in each.nodes})

    def is_started(self, resource: str) -> bool:
        """Whether it runs once, on one node, and nothing is under way with it."""
        # One that has failed is shown where it was last, as if it ran.
        found = [
            (one.role, len(one.nodes), one.pending, one.failed) for one in self.instances(resource)
        ]
        return found == [("Started", 1, None, False)]

    def is_stopped(self, resource: str) -> bool:
        """Whether it is nowhere and nothing is under way with it, as when there is none."""
        return not any(
            one.active or one.nodes or one.pending or one.role != "Stopped"
            for one in self.instances(resource)
        )

    def failures_of(self, resource: str) -> list[Failure]:
        return [each for each in self.failures if each.task(resource)]

    def runs_on(self, name: str) -> set[str]:
        """The nodes with an active copy of that resource, clone, group or bundle."""
        copies = (each for each in self.resources if each.id == name or name in each.parents)
        return {node for each in copies if each.active and not each.failed for node in each.nodes}

    def online_members(self) -> tuple[str, ...]:
        return tuple(n.name for n in self.nodes if n.kind == "member" and n.online)

    def online_hosts(self) -> tuple[str, ...]:
        """Members and Pacemaker Remote nodes: where a guest can run."""
        return tuple(n.name for n in self.nodes if n.kind in HOSTS and n.online)

    def kind(self, node: str) -> str:
        """Empty for one that this cluster does not have."""
        return next((each.kind for each in self.nodes if each.name == node), "")


def query(deadline: Deadline) -> Cluster:
    """Ask the cluster of this host, or the CIB file."""
    command = ("crm_mon", "--output-as=xml", "--inactive")
    return parse(tools.call(command, deadline).out)


def online_hosts(deadline: Deadline) -> tuple[str, ...]:
    """The members and Pacemaker Remote nodes that are online, by the cluster of this host."""
    command = ("crm_mon", "--output-as=xml", "--include=none,nodes")
    return parse_hosts(tools.call(command, deadline).out)


def parse_hosts(document: str) -> tuple[str, ...]:
    """Raises as parse()."""
    root = _checked(document)
    try:
        found = tuple(_node(element) for element in root.iterfind("nodes/node"))
    except KeyError as error:
        raise BadAnswerError(f"crm_mon's answer is not understood: {error!r}") from error
    if not found:
        raise BadAnswerError("crm_mon's answer has no nodes")
    return tuple(one.name for one in found if one.kind in HOSTS and one.online)


def parse(document: str) -> Cluster:
    """Raises BadAnswerError, and ClusterDownError when the document says so."""
    root = _checked(document)
    nodes, resources = root.find("nodes"), root.find("resources")
    summary = root.find("summary")
    if summary is None or nodes is None:
        # With an unreadable CIB file 2.1.5 says code 0 and errors, and nothing else.
        said = "; ".join(error.text or "" for error in root.iter("error"))
        raise BadAnswerError(f"crm_mon's answer has no nodes: {said or 'no reason given'}")
    try:
        return _cluster(root, summary, nodes, resources)
    except KeyError as error:
        raise BadAnswerError(f"crm_mon's answer is not understood: {error!r}") from error


def _checked(document: str) -> Element:
    """The root of an answer that is one."""
    root = tools.parsed(document, "crm_mon")
    code = root.find("status")
    if root.tag != "pacemaker-result" or code is None:
        raise BadAnswerError(f"crm_mon's answer is not understood: a {root.tag} document")
    if code.get("code") == str(int(ExitCode.DISCONNECT)):
        raise ClusterDownError("Pacemaker does not run on this host (crm_mon says 102)")
    if code.get("code") != "0":
        raise BadAnswerError(f"crm_mon failed: {code.get('message')}")
    return root


def _cluster(
    root: Element,
    summary: Element,
    nodes: Element,
    resources: Element | None,
) -> Cluster:
    options, dc = summary.find("cluster_options"), summary.find("current_dc")
    option = {} if options is None else options.attrib
    failures = root.iterfind("failures/failure[@op_key]")
    return Cluster(
        # Absent means true, as in Pacemaker itself.
        stonith_enabled=FENCING_ENABLED.value(option) != "false",
        # From 3.0.2 on both are there.
        fencing_option=FENCING_ENABLED.new
        if FENCING_ENABLED.new in option
        else FENCING_ENABLED.old,
        nodes=tuple(_node(element) for element in nodes.iterfind("node")),
        resources=() if resources is None else tuple(_resources(resources, ())),
        failures=tuple(_failure(element) for element in failures),
        dc="" if dc is None else dc.get("name", ""),
        has_quorum=dc is None or dc.get("with_quorum") != "false",
        maintenance=option.get("maintenance-mode") == "true",
        bans=tuple(_ban(element) for element in root.iterfind("bans/ban")),
        attributes={
            node.get("name", ""): {each.get("name", ""): each.get("value", "") for each in node}
            for node in root.iterfind("node_attributes/node")
        },
    )


def _flag(element: Element, name: str) -> bool:
    return element.get(name) == "true"


def _node(element: Element) -> Node:
    return Node(
        name=element.attrib["name"],
        kind="guest" if "id_as_resource" in element.attrib else element.get("type", "unknown"),
        online=_flag(element, "online"),
        standby=_flag(element, "standby"),
        maintenance=_flag(element, "maintenance"),
    )


def _resources(element: Element, parents: tuple[str, ...]) -> Iterator[Resource]:
    for child in element:
        if child.tag == "resource":
            yield _resource(child, parents)
        elif child.tag in COLLECTIVES:
            yield from _resources(child, (*parents, child.attrib["id"]))
        elif child.tag == "replica":
            yield from _resources(child, parents)


def _resource(element: Element, parents: tuple[str, ...]) -> Resource:
    return Resource(
        id=element.attrib["id"],
        agent=element.attrib["resource_agent"],
        role=element.attrib["role"],
        target_role=element.get("target_role"),
        active=_flag(element, "active"),
        managed=_flag(element, "managed"),
        failed=_flag(element, "failed"),
        blocked=_flag(element, "blocked"),
        pending=element.get("pending"),
        nodes=tuple(node.attrib["name"] for node in element.iterfind("node")),
        parents=parents,
    )


def _failure(element: Element) -> Failure:
    return Failure(
        key=element.attrib["op_key"],
        node=element.get("node", ""),
        reason=_unescaped(element.get("exitreason", "")),
        said=element.get("exitstatus", ""),
        at=element.get("last-rc-change", ""),
        code=element.get("exitcode", ""),
    )


def _unescaped(text: str) -> str:
    """crm_mon of 2.1 escapes a reason that its XML escapes again."""
    for name, character in _ENTITIES:
        text = text.replace(f"&{name};", character)
    return text


def _ban(element: Element) -> Ban:
    weight = element.get("weight", "0")
    return Ban(
        id=element.attrib["id"],
        resource=element.get("resource", ""),
        node=element.get("node", ""),
        score=int(weight) if weight.lstrip("+-").isdigit() else 0,
    )
