# SPDX-License-Identifier: GPL-2.0-or-later
"""The one write of vm-adopt, made by Pacemaker's own tools."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from agents.vm_adopt import adoption
from pmkvm.deadline import Deadline
from pmkvm.pacemaker import cib
from tests.tools.parameter_shapes import DOCUMENT

if TYPE_CHECKING:
    from tests.tools.roots import Tools

HEARTBEATS = 'class="ocf" provider="heartbeat" type="VirtualDomain"'
RESOURCES = f"""\
<template id="t" {HEARTBEATS}><instance_attributes id="ti"/></template>
<primitive id="vm1" template="t"/><group id="g"><primitive id="vm2" template="t"/>
<primitive id="vm3" {HEARTBEATS}/></group><primitive id="vm4" {HEARTBEATS}/>
"""


def test_of_each_resource_its_own_or_its_templates_provider_changes(tools_of_root: Tools) -> None:
    tools_of_root.cib.write_text(DOCUMENT.format(resources=RESOURCES), encoding="utf-8")
    named = ["vm1", "vm2", "vm3"]
    cib.change(lambda document: adoption.plan(document, named, "extra"), Deadline(60))
    root = ElementTree.fromstring(cib.query(Deadline(60)))
    providers = {each.get("id"): each.get("provider") for each in root.iterfind(".//*[@type]")}
    assert providers == {"t": "extra", "vm3": "extra", "vm4": "heartbeat"}
    assert [each.get("id") for each in root.iterfind(".//group/primitive")] == ["vm2", "vm3"]
    assert root.find(".//template/instance_attributes") is not None
