# SPDX-License-Identifier: GPL-2.0-or-later
"""What an administrator has set that makes fences slower, unproven, or felt by others. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm.ocf.context import FALSE
from pmkvm.pacemaker.renamed import FENCING_ENABLED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.renamed import Renamed


def read(configuration: Element, feature_set: str) -> tuple[str, ...]:
    """Of a CIB's configuration and its crm_feature_set; one line each, by name."""
    found = []
    defaults = _pairs(configuration, "rsc_defaults/meta_attributes/nvpair")
    if defaults.get("resource-stickiness", "") in ("", "0"):
        found.append("resource-stickiness is 0: a fence may let other guests move")
    options = _pairs(configuration, "crm_config/cluster_property_set/nvpair")
    if options.get("cluster-recheck-interval", "").rstrip("smhinec") == "0":
        found.append("cluster-recheck-interval is 0: a ban that nobody removes stops its guest")
    if FENCING_ENABLED.value(options) in FALSE:
        name = _name(FENCING_ENABLED, options, feature_set)
        found.append(f"{name} is false: with a host lost no fence is proven")
    operations = _pairs(configuration, "op_defaults/meta_attributes/nvpair")
    if operations.get("record-pending") in FALSE:
        found.append("record-pending is false: what is under way can't be seen")
    return tuple(found)


def _name(option: Renamed, options: Mapping[str, str], feature_set: str) -> str:
    """As this Pacemaker prefers it, and what to look for in the CIB."""
    if option.new in options:
        return option.new
    name = option.name(feature_set)
    return name if name == option.old else f"{name} (set as {option.old})"


def _pairs(configuration: Element, path: str) -> dict[str, str]:
    """The first one of a name counts, as in Pacemaker; rules are not looked at."""
    found: dict[str, str] = {}
    for pair in configuration.iterfind(path):
        found.setdefault(pair.get("name", ""), pair.get("value", "").lower())
    return found
