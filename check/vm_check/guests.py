# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests of a CIB: their parameters, meta attributes and operations. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from check.vm_check.facts import Guest
from pmkvm.pacemaker import parameter, primitives
from pmkvm.pacemaker.parameter import References
from pmkvm.virt.identity import name_from_path
from pmkvm.virt.migration_uri import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.primitives import Primitive
    from pmkvm.pacemaker.status import Cluster, Resource

_TYPE = "VirtualDomain"
DEFAULT_URI = "qemu:///system"


def of_configuration(root: Element, cluster: Cluster) -> Iterator[Guest]:
    """Each VirtualDomain of the CIB, named as its definition's file is."""
    resources = root.find("configuration/resources")
    if resources is None:
        return
    references = References(root)
    instances: dict[str, list[Resource]] = {}
    for one in cluster.resources:
        instances.setdefault(one.id, []).append(one)
    defaults = _pairs(root.find("configuration/rsc_defaults"), "meta_attributes")
    for each in primitives.find(resources):
        if each.kind.get("type") == _TYPE:
            yield _guest(each, references, tuple(instances.get(each.id, ())), defaults)


def _guest(
    primitive: Primitive,
    references: References,
    instances: tuple[Resource, ...],
    defaults: dict[str, str],
) -> Guest:
    config = parameter.read("config", primitive, references)
    path = config.value if config.is_plain else next(iter(config.possible), "")
    values = _parameters(primitive, references)
    transport = Transport(
        values.get("hypervisor", "") or DEFAULT_URI,
        *(values.get(name, "") for name in Transport._fields[1:]),
    )
    holders = [*reversed(primitive.around), primitive.template, primitive.element]
    meta = dict(defaults)
    for holder in holders:
        meta.update(_pairs(holder, "meta_attributes"))
    return Guest(
        resource=primitive.id,
        domain=name_from_path(path) if path else primitive.id,
        agent=primitive.agent,
        config=path,
        is_alone=primitive.is_alone,
        unclear=config.unclear or config.per_operation,
        instances=instances,
        transport=transport,
        parameters=values,
        meta=meta,
        operations=_operations(primitive, references),
    )


def _parameters(primitive: Primitive, references: References) -> dict[str, str]:
    """Those that are the same on every host and for every operation."""
    own = [each for each in (primitive.template, primitive.element) if each is not None]
    names = {
        str(pair.get("name"))
        for holder in own
        for pair in holder.iterfind("instance_attributes/nvpair[@name]")
    }
    read = {name: parameter.read(name, primitive, references) for name in names}
    return {name: each.value for name, each in read.items() if each.is_plain}


def _pairs(holder: Element | None, tag: str) -> dict[str, str]:
    """Of all sets without a rule; the first value of a name counts."""
    found: dict[str, str] = {}
    for group in () if holder is None else holder.iterfind(tag):
        if group.find("rule") is None:
            for pair in group.iterfind("nvpair[@name]"):
                found.setdefault(str(pair.get("name")), pair.get("value", ""))
    return found


def _operations(primitive: Primitive, references: References) -> dict[str, dict[str, str]]:
    """By name; the resource's own go before its template's."""
    found: dict[str, dict[str, str]] = {}
    for holder in (primitive.template, primitive.element):
        for own in () if holder is None else holder.iterfind("operations"):
            group = references.follow(own)
            for op in () if group is None else group.iterfind("op[@name]"):
                found[str(op.get("name"))] = dict(op.attrib)
    return found
