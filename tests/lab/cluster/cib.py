# SPDX-License-Identifier: GPL-2.0-or-later
"""CIB elements that the lab writes: its own bare configuration, and primitives for tests."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from pmkvm.pacemaker.renamed import FENCING_ENABLED, FENCING_TIMEOUT
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FENCE_RSC = "fence"

# What an administrator has set before the first resource: Pacemaker's own defaults, or those
# that Linux-HA Japan's configurations begin with.
RSC_DEFAULTS: dict[str, dict[str, str]] = {
    "pacemaker": {},
    "linux-ha-japan": {"resource-stickiness": "INFINITY", "migration-threshold": "1"},
}

# action, interval and timeout of an operation
Operation = tuple[str, str, str]
DUMMY_OPERATIONS: tuple[Operation, ...] = (("monitor", "2s", "20s"),)


def crm_config(cib: Element) -> dict[str, str]:
    """The cluster options, named as the Pacemaker of this CIB prefers: it warns of other names."""
    feature_set = cib.get("crm_feature_set", "")
    return {
        FENCING_ENABLED.name(feature_set): "true",
        # Both hosts are in corosync's membership before Pacemaker starts, so nobody waits for long.
        "dc-deadtime": "5s",
        FENCING_TIMEOUT.name(feature_set): "30s",
    }


def bare(empty: str, rsc_defaults: str) -> str:
    """The CIB to start with, made from what `cibadmin --empty` prints."""
    if rsc_defaults not in RSC_DEFAULTS:
        raise LabError(f"rsc defaults are {' or '.join(RSC_DEFAULTS)}, not {rsc_defaults}")
    cib = fromstring(empty)
    configuration = cib.find("configuration")
    if configuration is None:
        raise LabError(f"cibadmin --empty printed no configuration: {empty}")
    # Not below any later change: Pacemaker takes the file as it is.
    cib.set("epoch", "1")
    section = _set(configuration, "crm_config")
    options = SubElement(section, "cluster_property_set", id="cib-bootstrap-options")
    _nvpairs(options, crm_config(cib))
    _set(configuration, "resources").append(_fence())
    defaults = RSC_DEFAULTS[rsc_defaults]
    if defaults:
        meta = SubElement(_set(configuration, "rsc_defaults"), "meta_attributes", id="rsc-options")
        _nvpairs(meta, defaults)
    return tostring(cib, encoding="unicode")


def configuration(cib: str) -> str:
    """The <configuration> of a whole CIB."""
    found = fromstring(cib).find("configuration")
    return "" if found is None else tostring(found, encoding="unicode")


def primitive(
    name: str,
    agent: str = "ocf:pacemaker:Dummy",
    *,
    parameters: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
    operations: Sequence[Operation] = DUMMY_OPERATIONS,
) -> Element:
    """A <primitive>; agent is class:provider:type, or class:type."""
    fields = agent.split(":")
    element = Element("primitive", {"id": name, "class": fields[0], "type": fields[-1]})
    if len(fields) == 3:
        element.set("provider", fields[1])
    if parameters:
        attributes = SubElement(element, "instance_attributes", id=f"{name}-parameters")
        _nvpairs(attributes, parameters)
    if meta:
        _nvpairs(SubElement(element, "meta_attributes", id=f"{name}-meta"), meta)
    listed = SubElement(element, "operations")
    for action, interval, timeout in operations:
        op = f"{name}-{action}-{interval}"
        SubElement(listed, "op", id=op, name=action, interval=interval, timeout=timeout)
    return element


def location(name: str, resource: str, host: str, score: str) -> Element:
    attributes = {"id": name, "rsc": resource, "node": host, "score": score}
    return Element("rsc_location", attributes)


def _fence() -> Element:
    return primitive(FENCE_RSC, "stonith:fence_lab", operations=(("monitor", "60s", "20s"),))


def _set(configuration: Element, section: str) -> Element:
    found = configuration.find(section)
    return SubElement(configuration, section) if found is None else found


def _nvpairs(parent: Element, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        SubElement(parent, "nvpair", id=f"{parent.get('id')}-{name}", name=name, value=value)
