# SPDX-License-Identifier: GPL-2.0-or-later
"""Which resources of a CIB can be fenced: what the guarded writes take for a target. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_AGENT = {"class": "ocf", "provider": "extra", "type": "VirtualDomain"}
# What may run more than once, or elsewhere than where it seems to.
_REFUSED = ("clone", "master", "bundle")


def targets(configuration: Element) -> Iterator[tuple[str, str]]:
    """The id of each, and the path of its domain's definition (empty if none is given)."""
    resources = configuration.find("resources")
    if resources is None:
        return
    templates = {each.get("id", ""): each for each in resources.iter("template")}
    refused = {p for kind in _REFUSED for c in resources.iter(kind) for p in c.iter("primitive")}
    for primitive in resources.iter("primitive"):
        template = templates.get(primitive.get("template", ""))
        if primitive not in refused and any(map(_is_guest, (primitive, template))):
            yield primitive.get("id", ""), _config(primitive, template)


def cluster_name(configuration: Element) -> str:
    """As Pacemaker has it from corosync; empty if the cluster has none."""
    options = configuration.iterfind("crm_config/cluster_property_set/nvpair[@name='cluster-name']")
    return next((pair.get("value", "") for pair in options), "")


def _is_guest(element: Element | None) -> bool:
    return element is not None and all(element.get(name) == is_ for name, is_ in _AGENT.items())


def _config(primitive: Element, template: Element | None) -> str:
    """The primitive's own value before its template's."""
    for element in (primitive, template):
        if element is not None:
            for pair in element.iterfind("instance_attributes/nvpair[@name='config']"):
                return pair.get("value", "")
    return ""
