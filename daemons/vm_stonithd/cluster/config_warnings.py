# SPDX-License-Identifier: GPL-2.0-or-later
"""What an administrator has set that makes fences slower, unproven, or felt by others. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm.ocf.context import FALSE

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_OPTIONS = "crm_config/cluster_property_set/nvpair"


def read(configuration: Element) -> tuple[str, ...]:
    """Of a CIB's configuration; one line each, by name."""
    found = []
    stickiness = _value(configuration, "rsc_defaults/meta_attributes/nvpair", "resource-stickiness")
    if stickiness in ("", "0"):
        found.append("resource-stickiness is 0: a fence may let other guests move")
    if _value(configuration, _OPTIONS, "cluster-recheck-interval").rstrip("smhinec") == "0":
        found.append("cluster-recheck-interval is 0: a ban that nobody removes stops its guest")
    if _value(configuration, _OPTIONS, "stonith-enabled") in FALSE:
        found.append("stonith-enabled is false: with a host lost no fence is proven")
    if _value(configuration, "op_defaults/meta_attributes/nvpair", "record-pending") in FALSE:
        found.append("record-pending is false: what is under way can't be seen")
    return tuple(found)


def _value(configuration: Element, path: str, name: str) -> str:
    """The first one counts, as in Pacemaker; rules are not looked at."""
    for pair in configuration.iterfind(path):
        if pair.get("name") == name:
            return pair.get("value", "").lower()
    return ""
