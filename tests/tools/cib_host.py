# SPDX-License-Identifier: GPL-2.0-or-later
"""A host without a cluster: a CIB file, a configuration, definitions, and vm-ctl on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from pmkvm.pacemaker import names
from pmkvm.run import run
from tests.unit.vmctl import world

if TYPE_CHECKING:
    from pathlib import Path

DUMMY = (
    '<clone id="{0}"><primitive id="p{0}" class="ocf" provider="pacemaker" type="Dummy"/></clone>'
)
DOCUMENT = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="7"
     admin_epoch="1" have-quorum="1" dc-uuid="1">
  <configuration>
    <crm_config><cluster_property_set id="o"/></crm_config>
    <nodes><node id="1" uname="hostA"/><node id="2" uname="hostB"/></nodes>
    <resources><primitive id="f" class="stonith" type="fence_dummy"/>CLONES</resources>
    <constraints/>
  </configuration>
  <status>
    <node_state id="1" uname="hostA" in_ccm="true" crmd="online" join="member" expected="member">
      ATTRIBUTES
    </node_state>
    <node_state id="2" uname="hostB" in_ccm="true" crmd="online" join="member" expected="member">
      ATTRIBUTES
    </node_state>
  </status>
</cib>
"""


# The libvirts of both hosts.
URIS = ("qemu:///system", "qemu+ssh://hostB/system?no_tty=1")

ATTRIBUTES = """\
<transient_attributes id="{0}"><instance_attributes id="status-{0}">
<nvpair id="status-{0}-p" name="default_ping_set" value="100"/>
<nvpair id="status-{0}-d" name="diskcheck_status" value="normal"/>
</instance_attributes></transient_attributes><lrm id="{0}"><lrm_resources/></lrm>
"""
KEY = "1:1:0:aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
HISTORY = f"""\
<lrm_resource id="{{0}}" class="ocf" provider="extra" type="VirtualDomain">
<lrm_rsc_op id="{{0}}_last_0" operation_key="{{0}}_start_0" operation="start" call-id="9"
 rc-code="0" op-status="0" interval="0" crm_feature_set="3.16.1" transition-key="{KEY}"
 transition-magic="0:0;{KEY}" last-rc-change="1700000000"/>
</lrm_resource>
"""


class Host:
    """The definitions are those of guest1 to guest1000."""

    def __init__(self, directory: Path) -> None:
        self.cib = directory / "cib.xml"
        clones = "".join(DUMMY.format(name) for name in world.CLONES)
        text = DOCUMENT.replace("CLONES", clones)
        for node in ("1", "2"):
            text = text.replace("ATTRIBUTES", ATTRIBUTES.format(node), 1)
        self.cib.write_text(text, encoding="utf-8")
        self.conf = directory / "vm-ctl.conf"
        text = (world.DATA / "slides.conf").read_text(encoding="utf-8")
        self.conf.write_text(text.replace("/etc/libvirt/qemu", str(directory)), encoding="utf-8")
        for number in range(1, 1001):
            (directory / f"guest{number}.xml").touch()

    def vm_ctl(self, *arguments: str) -> int:
        """Every guest that is named is defined on both hosts, but for nosuch."""
        named = {each.strip() for each in ",".join(arguments).split(",")}
        libvirts = {uri: world.libvirt(named - {"nosuch"}) for uri in URIS}
        return world.vm_ctl([*arguments, "--config", str(self.conf)], libvirts)

    def add(self, domains: str, at: str = "hostA", *more: str) -> None:
        assert self.vm_ctl("resource", "add", domains, "-a", at, *more) == 0

    def start(self, domain: str, at: str) -> None:
        """Add it, at home on hostA, and start it; it runs there."""
        self.add(domain)
        assert self.vm_ctl("resource", "start", domain) == 0
        self.runs(domain, at)

    def by_hand(self, *argv: str) -> None:
        """One of Pacemaker's own tools, on the same CIB."""
        assert run(argv, timeout_s=30, environment={"CIB_file": str(self.cib)}).rc == 0

    def root(self) -> etree._Element:
        return etree.fromstring(self.cib.read_bytes())

    def ids(self, path: str) -> set[str]:
        return {str(e.get("id")) for e in self.root().iterfind(path)}

    def role(self, domain: str) -> str | None:
        path = f".//primitive[@id='prmVMCTL_{domain}']//nvpair[@name='target-role']"
        found = self.root().find(path)
        return None if found is None else found.get("value")

    def epoch(self) -> int:
        return int(self.root().get("epoch", "0"))

    def runs(self, domain: str, node: str) -> None:
        """Put into the history that the guest was started there."""
        root = self.root()
        (history,) = root.iterfind(f"status/node_state[@uname='{node}']/lrm/lrm_resources")
        history.append(etree.fromstring(HISTORY.format(names.resource(domain))))
        self.cib.write_bytes(etree.tostring(root))
