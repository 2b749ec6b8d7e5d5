# SPDX-License-Identifier: GPL-2.0-or-later
"""One reading of the cluster: a CIB's text, the partition and crm_mon's word to a View. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from daemons.vm_stonithd.cluster import config_warnings, history
from daemons.vm_stonithd.model.facts import History, Resource, Standing, View
from pmkvm.fencing import ban as bans
from pmkvm.fencing import role
from pmkvm.fencing.role import Written
from pmkvm.ocf.context import TRUE
from pmkvm.pacemaker import tools
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.pacemaker.targets import cluster_name, targets

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from pmkvm.fencing.ban import Ban
    from pmkvm.pacemaker.parameter import Parameter
    from pmkvm.pacemaker.status import Resource as Instance

_MAINTENANCE = ("maintenance-mode", "stop-all-resources")


class Seen(NamedTuple):
    """A View, and what is no business of the machine's: what the CIB says of where each target's
    domain is defined, what stands in a ban's place and is none, what is set unwisely, the
    cluster's name."""

    view: View
    configs: Mapping[str, Parameter]
    complaints: tuple[str, ...]
    warnings: tuple[str, ...]
    cluster: str = ""


def read(document: str, partition: Iterable[str], instances: Iterable[Instance]) -> Seen:
    """Raises BadAnswerError."""
    root = tools.parsed(document, "cibadmin")
    configuration, status = root.find("configuration"), root.find("status")
    if root.tag != "cib" or configuration is None or status is None:
        raise BadAnswerError("cibadmin's answer is no CIB")
    every = status.findall("node_state")
    states = [each for each in every if history.is_cluster_node(each)]
    remote = [each for each in every if not history.is_cluster_node(each)]
    configs = dict(targets(configuration))
    standing, complaints = _bans(configuration)
    view = View(
        quorum=root.get("have-quorum") == "1",
        hosts=_hosts(configuration, states),
        partition=frozenset(partition),
        resources=_resources(configs, instances, _own_roles(configuration)),
        bans=standing,
        histories={**dict(_histories(states)), **dict(_histories(remote, configs))},
        lrm=frozenset(_names(each for each in states if _has_memory(each))),
        maintenance=_is_in_maintenance(configuration, states),
        remote={each.get("uname", ""): history.is_remote_up(each) for each in remote},
    )
    advice = config_warnings.read(configuration, root.get("crm_feature_set", ""))
    told = (*advice, *_untold(configs))
    return Seen(view, configs, complaints, told, cluster_name(configuration))


def _untold(configs: Mapping[str, Parameter]) -> Iterator[str]:
    """So that it is not first heard of at a fence."""
    for resource, config in configs.items():
        if config.per_operation:
            yield f"{resource} can't be fenced: {config.per_operation}"


def _hosts(configuration: Element, states: list[Element]) -> dict[str, Standing]:
    """Every configured cluster node, and every one of which there is a state."""
    nodes = configuration.iterfind("nodes/node")
    names = {each.get("id", ""): each.get("uname", "") for each in nodes if not _is_remote(each)}
    found: dict[str, Standing] = dict.fromkeys(names.values(), Standing.OTHER)
    for state in states:
        host = names.get(state.get("id", ""), "")
        found[host or state.get("uname", "")] = history.standing(state)
    return found


def _is_remote(node: Element) -> bool:
    return node.get("type") == "remote"


def _has_memory(state: Element) -> bool:
    """A host that was fenced has none: what it ran is over."""
    return history.standing(state) is Standing.DOWN and state.find("lrm") is not None


def _names(states: Iterable[Element]) -> Iterator[str]:
    return (each.get("uname", "") for each in states)


def _histories(
    states: Iterable[Element], wanted: Container[str] | None = None
) -> Iterator[tuple[tuple[str, str], History]]:
    """wanted: of these resources alone. Where guests are nodes, a CIB has all of them on each."""
    for state in states:
        for entry in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if wanted is not None and entry.get("id") not in wanted:
                continue
            said = history.read(entry)
            if said is not None:
                yield (state.get("uname", ""), entry.get("id", "")), said


def _own_roles(configuration: Element) -> dict[str, Written]:
    primitives = configuration.iterfind("resources//primitive")
    return {each.get("id", ""): role.of(each) for each in primitives}


def _resources(
    targets: Iterable[str], instances: Iterable[Instance], own: Mapping[str, Written]
) -> dict[str, Resource]:
    """One that crm_mon does not know yet is not known to be managed."""
    found = {each: Resource(managed=False) for each in targets}
    for instance in instances:
        if instance.id in found:
            found[instance.id] = Resource(
                managed=instance.managed,
                target_role=instance.target_role or "Started",
                runs_on=instance.nodes if instance.role == "Started" else (),
                own=own.get(instance.id, Written()),
            )
    return found


def _bans(configuration: Element) -> tuple[dict[str, Ban], tuple[str, ...]]:
    constraints = ElementTree.Element("constraints")
    for each in configuration.iterfind("constraints/rsc_location"):
        if each.get("id", "").startswith(bans.PREFIX):
            constraints.append(each)
    if not len(constraints):
        return {}, ()
    found, complaints = bans.find_all(ElementTree.tostring(constraints, encoding="unicode"))
    return {each.resource: each for each in found}, tuple(complaints)


def _is_in_maintenance(configuration: Element, states: Iterable[Element]) -> bool:
    """Of the cluster or of a node, permanent or transient: the create guard refuses all."""
    cluster = configuration.iterfind("crm_config/cluster_property_set/nvpair")
    nodes = configuration.iterfind("nodes/node/instance_attributes/nvpair")
    if any(each.get("name") in _MAINTENANCE and _is_true(each) for each in cluster):
        return True
    transient = "transient_attributes/instance_attributes/nvpair"
    pairs = [*nodes, *(pair for state in states for pair in state.iterfind(transient))]
    return any(each.get("name") == "maintenance" and _is_true(each) for each in pairs)


def _is_true(pair: Element) -> bool:
    return pair.get("value", "").lower() in TRUE
