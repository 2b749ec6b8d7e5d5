# SPDX-License-Identifier: GPL-2.0-or-later
"""Which resources of a CIB are guests, and which of them can be fenced. Pure.

A target is what the guarded writes take for one (pmkvm.fencing.guard).
"""

from __future__ import annotations

from typing import NamedTuple

from pmkvm.pacemaker import parameter, primitives
from pmkvm.pacemaker.parameter import References

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.parameter import Parameter

_TYPE = "VirtualDomain"
OURS, HEARTBEATS = f"ocf:extra:{_TYPE}", f"ocf:heartbeat:{_TYPE}"


class Guest(NamedTuple):
    """A VirtualDomain primitive of any provider. config: where its domain is defined.

    is_alone: not in a clone or a bundle.
    """

    id: str
    agent: str
    config: Parameter
    is_alone: bool


def guests(root: Element) -> Iterator[Guest]:
    """Of a CIB's configuration, or of its resources alone."""
    resources = root if root.tag == "resources" else root.find("resources")
    if resources is None:
        return
    references = References(root)
    for each in primitives.find(resources):
        if each.kind.get("type") == _TYPE:
            config = parameter.read("config", each, references)
            yield Guest(each.id, each.agent, config, each.is_alone)


def targets(configuration: Element) -> Iterator[tuple[str, Parameter]]:
    """The id of each, and what the CIB says of the path of its domain's definition."""
    for guest in guests(configuration):
        if guest.agent == OURS and guest.is_alone:
            yield guest.id, guest.config


def cluster_name(configuration: Element) -> str:
    """As Pacemaker has it from corosync; empty if the cluster has none."""
    options = configuration.iterfind("crm_config/cluster_property_set/nvpair[@name='cluster-name']")
    return next((pair.get("value", "") for pair in options), "")
