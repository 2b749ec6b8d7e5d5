# SPDX-License-Identifier: GPL-2.0-or-later
"""Which hosts are online, Pacemaker Remote nodes too, by crm_mon of each root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm.deadline import Deadline
from pmkvm.pacemaker import status

if TYPE_CHECKING:
    from tests.tools.roots import Tools

RAN = (
    '<lrm_rsc_op id="{0}_op" operation="start" operation_key="{0}_start_0" rc-code="0"'
    ' call-id="1" op-status="0" interval="0" transition-key="0:0:0:0"'
    ' transition-magic="0:0;0:0:0:0"/>'
)
ONLINE = 'in_ccm="true" crmd="online" join="member" expected="member"'


def ran(resource: str, kind: str) -> str:
    """It has been started on host1."""
    return (
        f'<lrm_resource id="{resource}" class="ocf" provider="pacemaker" type="{kind}">'
        f"{RAN.format(resource)}</lrm_resource>"
    )


# host3 is a Pacemaker Remote node, inner a guest that is a node itself. host2 is offline.
CIB = f"""\
<cib validate-with="pacemaker-3.0" admin_epoch="0" epoch="1" num_updates="0">
 <configuration>
  <crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/>
  </cluster_property_set></crm_config>
  <nodes><node id="1" uname="host1"/><node id="2" uname="host2"/></nodes>
  <resources>
   <primitive id="host3" class="ocf" provider="pacemaker" type="remote"/>
   <primitive id="guest" class="ocf" provider="pacemaker" type="Dummy">
    <meta_attributes id="m"><nvpair id="m1" name="remote-node" value="inner"/></meta_attributes>
   </primitive>
  </resources>
  <constraints/>
 </configuration>
 <status>
  <node_state id="1" uname="host1" {ONLINE}><lrm id="1"><lrm_resources>
   {ran("host3", "remote")}{ran("guest", "Dummy")}{ran("inner", "remote")}
  </lrm_resources></lrm></node_state>
  <node_state id="host3" uname="host3" remote_node="true" in_ccm="true"/>
  <node_state id="inner" uname="inner" remote_node="true" in_ccm="true"/>
 </status>
</cib>
"""


def test_members_and_remote_nodes_that_are_online(tools_of_root: Tools) -> None:
    """A guest that is a node is no host of guests."""
    tools_of_root.cib.write_text(CIB, encoding="utf-8")
    assert sorted(status.online_hosts(Deadline(30))) == ["host1", "host3"]
