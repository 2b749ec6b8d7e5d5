# SPDX-License-Identifier: GPL-2.0-or-later
"""What crm_mon says, as values: nodes, resources, failures."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree.ElementTree import Element, fromstring

COMMAND = ["crm_mon", "--output-as=xml", "--inactive", "--one-shot"]


class Node(NamedTuple):
    """One <node> of crm_mon."""

    name: str
    is_online: bool
    is_unclean: bool
    is_pending: bool
    is_standby: bool
    is_maintenance: bool
    is_dc: bool

    @property
    def is_well(self) -> bool:
        return self.is_online and not (self.is_unclean or self.is_pending)


class Resource(NamedTuple):
    """One <resource> of crm_mon: a primitive, or one instance of a clone's."""

    name: str
    agent: str
    role: str
    hosts: tuple[str, ...]
    is_active: bool
    is_failed: bool
    is_blocked: bool
    is_managed: bool
    is_orphaned: bool
    pending: str


class Failure(NamedTuple):
    """One entry of the failed actions."""

    operation: str
    host: str
    rc: str
    reason: str


class Status(NamedTuple):
    """The cluster as one host sees it."""

    has_quorum: bool
    dc: str
    nodes: dict[str, Node]
    resources: list[Resource]
    failures: list[Failure]

    def find(self, name: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.name == name]

    def hosts_of(self, name: str) -> list[str]:
        """Where a resource is started, in Pacemaker's opinion; an action under way is no answer."""
        active = [one for one in self.find(name) if one.role in ("Started", "Promoted", "Master")]
        return [host for one in active if not one.pending for host in one.hosts]


def parse(text: str) -> Status:
    root = fromstring(text)
    dc = root.find("./summary/current_dc")
    return Status(
        has_quorum=dc is not None and _is(dc, "with_quorum"),
        dc="" if dc is None else dc.get("name", ""),
        nodes={name.get("name", ""): _node(name) for name in root.iterfind("./nodes/node")},
        resources=[_resource(element) for element in root.iterfind("./resources//resource")],
        failures=[_failure(element) for element in root.iterfind("./failures/failure")],
    )


def _node(element: Element) -> Node:
    return Node(
        name=element.get("name", ""),
        is_online=_is(element, "online"),
        is_unclean=_is(element, "unclean"),
        is_pending=_is(element, "pending"),
        is_standby=_is(element, "standby"),
        is_maintenance=_is(element, "maintenance"),
        is_dc=_is(element, "is_dc"),
    )


def _resource(element: Element) -> Resource:
    return Resource(
        name=element.get("id", ""),
        agent=element.get("resource_agent", ""),
        role=element.get("role", ""),
        hosts=tuple(node.get("name", "") for node in element.iterfind("node")),
        is_active=_is(element, "active"),
        is_failed=_is(element, "failed"),
        is_blocked=_is(element, "blocked"),
        is_managed=_is(element, "managed"),
        is_orphaned=_is(element, "orphaned"),
        pending=element.get("pending", ""),
    )


def _failure(element: Element) -> Failure:
    return Failure(
        operation=element.get("op_key") or element.get("id") or "",
        host=element.get("node", ""),
        rc=element.get("exitstatus", ""),
        reason=element.get("exitreason", ""),
    )


def _is(element: Element, attribute: str) -> bool:
    return element.get(attribute) == "true"
