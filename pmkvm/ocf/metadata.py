# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent's table as XML, in two forms.

OCF 1.1 for a caller that says it speaks it (Pacemaker does), else the subset that
ra-api-1.dtd, the OCF 1.1 RNG and resource-agents' metadata.rng all accept.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.table import Agent, Parameter, Value

_META_DATA_TIMEOUT_S = 5


def metadata(agent: Agent, *, ocf_1_1: bool) -> str:
    """The whole document, with its XML declaration and DOCTYPE."""
    root = ET.Element("resource-agent", name=agent.name, version=agent.version)
    ET.SubElement(root, "version").text = "1.1" if ocf_1_1 else "1.0"
    _describe(root, agent.longdesc, agent.shortdesc)
    parameters = ET.SubElement(root, "parameters")
    for parameter in agent.parameters:
        parameters.append(_parameter(parameter, ocf_1_1=ocf_1_1))
    root.append(_actions(agent, ocf_1_1=ocf_1_1))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    # No encoding: crmsh hands the text to lxml as str, which refuses one that names its bytes'.
    return f'<?xml version="1.0"?>\n<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">\n{text}'


def _parameter(parameter: Parameter, *, ocf_1_1: bool) -> ET.Element:
    element = ET.Element("parameter", name=parameter.name)
    if ocf_1_1:
        if parameter.unique:
            element.set("unique-group", parameter.name)
        element.set("reloadable", _bit(parameter.reloadable))
    else:
        element.set("unique", _bit(parameter.unique))
    element.set("required", _bit(parameter.required))
    _describe(element, parameter.longdesc, parameter.shortdesc)
    content = ET.SubElement(element, "content", type=parameter.content_type)
    if not parameter.required:
        content.set("default", _text(parameter.default))
    return element


def _actions(agent: Agent, *, ocf_1_1: bool) -> ET.Element:
    element = ET.Element("actions")
    for action in agent.actions:
        if action.name == "reload-agent" and not ocf_1_1:
            continue
        one = ET.SubElement(element, "action", name=action.name, timeout=f"{action.timeout_s}s")
        if action.interval_s is not None:
            one.set("interval", f"{action.interval_s}s")
            one.set("depth", "0")
    ET.SubElement(element, "action", name="meta-data", timeout=f"{_META_DATA_TIMEOUT_S}s")
    return element


def _describe(element: ET.Element, longdesc: str, shortdesc: str) -> None:
    ET.SubElement(element, "longdesc", lang="en").text = longdesc
    ET.SubElement(element, "shortdesc", lang="en").text = shortdesc


def _bit(value: bool) -> str:
    return "1" if value else "0"


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
