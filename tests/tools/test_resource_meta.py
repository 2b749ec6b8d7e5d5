# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts of a resource, written, found beside a ban in one question, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.fencing import ban
from pmkvm.pacemaker import cib, resource, resource_meta
from pmkvm.pacemaker.resource_meta import LAST_DISKS

if TYPE_CHECKING:
    from tests.tools.roots import Tools

CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="7"
     admin_epoch="1" have-quorum="1" dc-uuid="1">
  <configuration>
    <crm_config/><nodes/>
    <resources>
      <primitive id="other" class="ocf" provider="pacemaker" type="Dummy">
        <meta_attributes id="o"><nvpair id="o-d" name="vm-disks" value="other"/></meta_attributes>
      </primitive>
      <group id="g"><primitive id="vm1" class="ocf" provider="extra" type="VirtualDomain">
        <meta_attributes id="m"><nvpair id="m-r" name="target-role" value="Started"/>
        </meta_attributes></primitive></group>
    </resources><constraints>BAN</constraints>
  </configuration><status/>
</cib>
"""
BAN = ban.to_xml(ban.Ban("vm1", "reset", "9c41d7e02b6f5a13", "vm2", "5be0", "node1", "u1", 1))
VALUE = "0123456789abcdef vda%20/x/g1.s"


@pytest.mark.parametrize("banned", [True, False])
def test_a_fact_is_written_found_and_removed(tools_of_root: Tools, banned: bool) -> None:
    tools_of_root.cib.write_text(CIB.replace("BAN", BAN if banned else ""))
    question = f"{ban.xpath('vm1')}|{resource_meta.xpath('vm1')}"

    def seen() -> tuple[bool, str | None]:
        answer = cib.query_local(question, Deadline(20))
        is_banned = ban.find(answer, "vm1") is not None
        return is_banned, resource_meta.find(answer, LAST_DISKS)

    assert seen() == (banned, "")
    resource_meta.write("vm1", LAST_DISKS, VALUE, Deadline(20))
    assert seen() == (banned, VALUE)
    assert resource_meta.read("vm1", LAST_DISKS, Deadline(20)) == VALUE
    assert "target-role" in tools_of_root.cib.read_text()
    for _ in range(2):
        resource_meta.remove("vm1", LAST_DISKS, Deadline(20))
        assert seen() == (banned, "")


def test_of_what_is_no_resource_there_is_no_fact(tools_of_root: Tools) -> None:
    tools_of_root.cib.write_text(CIB.replace("BAN", ""))
    question = f"{ban.xpath('vm2')}|{resource_meta.xpath('vm2')}"
    answer = cib.query_local(question, Deadline(20))
    assert resource_meta.find(answer, LAST_DISKS) is None
    assert resource_meta.read("vm2", LAST_DISKS, Deadline(20)) is None
    assert resource_meta.read("other", LAST_DISKS, Deadline(20)) == "other"


def test_whether_another_resource_has_the_same(tools_of_root: Tools) -> None:
    tools_of_root.cib.write_text(CIB.replace("BAN", ""))
    asked = [("vm1", "other"), ("vm1", VALUE), ("other", "other")]
    found = [resource_meta.is_anothers(one, LAST_DISKS, what, Deadline(20)) for one, what in asked]
    assert found == [True, False, False]


def test_whether_a_guest_was_to_arrive(tools_of_root: Tools) -> None:
    history = """<status><node_state id="1" uname="node1"><lrm id="1"><lrm_resources>
      <lrm_resource id="vm1" class="ocf" provider="extra" type="VirtualDomain">
        <lrm_rsc_op id="vm1_last_0" operation="migrate_from" call-id="7" rc-code="1" op-status="4"
                    migrate_source="node2" migrate_target="node1"/>
      </lrm_resource></lrm_resources></lrm></node_state></status>"""
    tools_of_root.cib.write_text(CIB.replace("BAN", "").replace("<status/>", history))
    assert resource.was_to_arrive("vm1", "node1", Deadline(20))
    assert not resource.was_to_arrive("vm1", "node2", Deadline(20))
    assert not resource.was_to_arrive("other", "node1", Deadline(20))
