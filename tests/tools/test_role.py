# SPDX-License-Identifier: GPL-2.0-or-later
"""The role that an off writes and an on takes back, by the CIB manager of each release."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from daemons.vm_stonithd.cluster import cib_writes
from daemons.vm_stonithd.model import actions
from daemons.vm_stonithd.model.events import Outcome
from pmkvm.deadline import Deadline
from pmkvm.fencing import role
from pmkvm.fencing.role import Written
from pmkvm.pacemaker import tools

if TYPE_CHECKING:
    from tests.tools.roots import Tools

RESOURCE = "prmGuest2"
CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="7"
     admin_epoch="1" have-quorum="1" dc-uuid="1">
  <configuration>
    <crm_config/><nodes/>
    <resources>
      <primitive id="other" class="ocf" provider="pacemaker" type="Dummy">
        <meta_attributes id="shared"><nvpair id="s-r" name="is-managed" value="true"/>
        </meta_attributes></primitive>
      <group id="g"><primitive id="prmGuest2" class="ocf" provider="extra" type="VirtualDomain">
        <instance_attributes id="i"><nvpair id="i-c" name="config" value="/x.xml"/>
        </instance_attributes>SETS</primitive></group>
    </resources><constraints/>
  </configuration><status/>
</cib>
"""
STARTED = '<nvpair id="m-r" name="target-role" value="Started"/>'
STOPPED = '<nvpair id="m-r" name="target-role" value="Stopped"/>'
SHAPES = {
    "no set": "",
    "a set without a role": '<meta_attributes id="m"/>',
    "a set with the role": f'<meta_attributes id="m">{STARTED}</meta_attributes>',
    "its second set has the role": '<meta_attributes id="n"><nvpair id="n-a" name="priority"'
    f' value="1"/></meta_attributes><meta_attributes id="m">{STARTED}</meta_attributes>',
    "two sets with the role": f'<meta_attributes id="m" score="5">{STARTED}</meta_attributes>'
    '<meta_attributes id="n"><nvpair id="n-r" name="target-role" value="Started"/>'
    "</meta_attributes>",
    "another's set": '<meta_attributes id-ref="shared"/>',
}


def put(tools_of_root: Tools, sets: str) -> None:
    tools_of_root.cib.write_text(CIB.replace("SETS", sets))


def written() -> tuple[Written, list[str]]:
    """What the primitive says, and all its roles."""
    done = tools.call(("cibadmin", "--query", "--xpath", role.xpath(RESOURCE)), Deadline(20))
    found = ElementTree.fromstring(done.out)
    pairs = found.iterfind("meta_attributes/nvpair[@name='target-role']")
    return role.of(found), [each.get("value", "") for each in pairs]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_off_is_written_taken_back_and_forgotten(tools_of_root: Tools, shape: str) -> None:
    put(tools_of_root, SHAPES[shape])
    done = cib_writes.carry_out(actions.SwitchOff(1, RESOURCE, "prmGuest1"))
    assert done == (Outcome.DONE, "")
    said, roles = written()
    assert said == Written("Stopped", "prmGuest1")
    assert set(roles) == {"Stopped"}
    assert cib_writes.carry_out(actions.ForgetMark(2, RESOURCE)).outcome is Outcome.DONE
    assert written()[0] == Written("Stopped", "prmGuest1"), "it is off: the mark stays"
    assert cib_writes.carry_out(actions.SwitchOn(3, RESOURCE)).outcome is Outcome.DONE
    said, roles = written()
    assert (said.role, set(roles)) == ("Started", {"Started"})
    assert cib_writes.carry_out(actions.ForgetMark(4, RESOURCE)).outcome is Outcome.DONE
    assert written()[0] == Written("Started")


@pytest.mark.parametrize("mark", ["", '<nvpair id="m-m" name="stopped-by-fence" value=""/>'])
def test_what_an_administrator_has_stopped_stays_stopped(tools_of_root: Tools, mark: str) -> None:
    put(tools_of_root, f'<meta_attributes id="m">{STOPPED}{mark}</meta_attributes>')
    done = cib_writes.carry_out(actions.SwitchOn(1, RESOURCE))
    assert done.outcome is Outcome.NOT_MATCHED
    assert written()[0] == Written("Stopped")


def test_what_an_administrator_has_started_meanwhile_is_not_written_again(
    tools_of_root: Tools,
) -> None:
    mark = '<nvpair id="m-m" name="stopped-by-fence" value="prmGuest1"/>'
    put(tools_of_root, f'<meta_attributes id="m">{STARTED}{mark}</meta_attributes>')
    assert cib_writes.carry_out(actions.SwitchOn(1, RESOURCE)).outcome is Outcome.NOT_MATCHED


def test_a_resource_that_is_gone_is_no_error(tools_of_root: Tools) -> None:
    put(tools_of_root, "")
    for action in (actions.SwitchOff(1, "nobody", "prmGuest1"), actions.SwitchOn(2, "nobody")):
        done = cib_writes.carry_out(action)
        assert done.outcome is Outcome.NOT_MATCHED
        assert "nobody" in done.reason
