# SPDX-License-Identifier: GPL-2.0-or-later
"""Both daemons of a host as processes of their own, on real sockets; Pacemaker's tools are played.

The cluster is one host with all guests of the world running on it. What would change it is
written down, and changes nothing unless whoever starts the daemons plays that, too.
"""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from pmkvm.deadline import Deadline
from pmkvm.tokens import ring, seal
from pmkvm.tokens.ring import Ring, State
from pmkvm.tokens.seal import Content
from pmkvm.wire import client
from tests import tree
from tests.unit.vm_connectd.world import PRIMITIVE, Process, World
from tests.unit.waiting import WAIT_S, eventually

CLUSTER = "hosts"
KEY = ring.new_key(State.SEALS, bytes(range(32)))
OPERATIONS = ("off", "on", "reset")

CIB = """\
<cib have-quorum="1"><configuration><crm_config><cluster_property_set id="o">
<nvpair id="o-n" name="cluster-name" value="{cluster}"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="host1"/></nodes><resources>{primitives}</resources><constraints/>
</configuration><status><node_state id="1" uname="host1" in_ccm="true" crmd="online" join="member"
expected="member"><lrm id="1"><lrm_resources>{histories}</lrm_resources></lrm></node_state>
</status></cib>
"""
HISTORY = """\
<lrm_resource id="{0}"><lrm_rsc_op id="{0}_last_0" operation="start" call-id="9" rc-code="0"
op-status="0" transition-key="1"/></lrm_resource>
"""
CRM_MON = """\
<pacemaker-result><summary/><nodes/><resources>{instances}</resources><status code="0"/>
</pacemaker-result>
"""
INSTANCE = """\
<resource id="{0}" resource_agent="ocf:extra:VirtualDomain" role="Started" active="true"
managed="true"><node name="host1" id="1"/></resource>
"""

STONITHD = """\
import sys
sys.dont_write_bytecode = True
sys.path[:0] = {paths!r}
from pmkvm import run, settings
settings.RUN_DIR = settings.LIBVIRT_PID_DIR = {run_dir!r}
settings.CIB_XML = {cib!r}
texts = []
def cibadmin(argv):
    return run.Completed(105, "", "")
{played}
def play(argv, **more):
    if argv[0] == "attrd_updater":
        if "--update" in argv:
            texts[:] = [argv[-1]]
        lines = ['name="vm-stonith" host="host1" value="%s"\\n' % each for each in texts]
        return run.Completed(0, "".join(lines), "")
    if argv[0] == "crm_node":
        return run.Completed(0, "host1\\n", "")
    if argv[0] == "crm_mon" or tuple(argv) == ("cibadmin", "--query", "--local"):
        with open({calls!r}, "a") as file:
            file.write(argv[0] + "\\n")
        with open({answers!r}[argv[0] == "crm_mon"]) as file:
            return run.Completed(0, file.read(), "")
    if "--query" not in argv:
        with open({writes!r}, "a") as file:
            file.write(repr(argv) + "\\n")
    return cibadmin(argv)
run.run = play
from daemons.vm_stonithd import main
sys.exit(main.main({argv!r}))
"""


class WholeHost(World):
    """vm-connectd and vm-stonithd, both ready."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._uuids: dict[str, str] = {}
        # What each program of a guest was given.
        ring.store(str(directory / "keys"), Ring((KEY,)))

    def add(self, *names: str) -> None:
        """Guests whose QEMUs run."""
        for name in names:
            self._uuids[name] = self.define(name)
            self.start_qemu(name, self._uuids[name])

    def start(self, *arguments: str, more: str = "", played: str = "") -> tuple[Process, Process]:
        """Both daemons; the guests do not change from here on.

        arguments: for vm-stonithd; more: code that vm-connectd runs before; played: code that
        vm-stonithd runs before, with a cibadmin() of its own.
        """
        self._write_cluster()
        host = self.start_host(more)
        self.wait_ready(host)
        code = STONITHD.format(
            paths=[str(tree.ROOT)],
            played=played,
            run_dir=str(self.directory / "run"),
            cib=str(self.directory / "whole.xml"),
            calls=str(self.directory / "calls"),
            writes=str(self.directory / "writes"),
            answers=[str(self.directory / "whole.xml"), str(self.directory / "crm_mon.xml")],
            argv=[
                *("--socket", str(self.directory / "run" / "stonithd.sock")),
                *("--connectd-socket", self.socket_of("host")),
                *("--keys", str(self.directory / "keys")),
                *arguments,
            ],
        )
        stonithd = self._start([sys.executable, "-I", "-c", code], "stonithd.log")
        eventually("registered", lambda: "registered with vm-connectd" in stonithd.said)
        return host, stonithd

    def token(self, target: str, *requesters: str) -> str:
        uuids = tuple(self._uuids[each] for each in requesters)
        content = Content(CLUSTER, f"prm-{target}", self._uuids[target], uuids, OPERATIONS)
        return seal.seal(content, KEY)

    def ask_of(self, name: str, body: str, seconds: float = WAIT_S) -> str:
        return client.ask("stonith", body, Deadline(seconds), path=self.socket_of(name))

    @property
    def writes(self) -> list[str]:
        """What vm-stonithd would have changed in the cluster."""
        return self._lines("writes")

    @property
    def readings(self) -> int:
        """How often it has read the whole of the cluster."""
        return len(self._lines("calls"))

    @property
    def cib(self) -> str:
        return (self.directory / "whole.xml").read_text(encoding="utf-8")

    def record_stop(self, name: str) -> None:
        """As Pacemaker does when its stop of a guest has ended."""
        document = ET.fromstring(self.cib)
        operation = document.find(f".//lrm_resource[@id='prm-{name}']/lrm_rsc_op")
        assert operation is not None
        operation.attrib.update({"operation": "stop", "call-id": "10"})
        new = self.directory / "whole.new"
        new.write_text(ET.tostring(document, encoding="unicode"), encoding="utf-8")
        new.rename(self.directory / "whole.xml")

    def _lines(self, name: str) -> list[str]:
        path = self.directory / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def _write_cluster(self) -> None:
        ids = [f"prm-{name}" for name in self._uuids]
        primitives = "".join(
            PRIMITIVE.format(resource=f"prm-{name}", config=self.directory / f"{name}.xml")
            for name in self._uuids
        )
        histories, instances = (
            "".join(form.format(each) for each in ids) for form in (HISTORY, INSTANCE)
        )
        for name, text in (
            ("whole.xml", CIB.format(cluster=CLUSTER, primitives=primitives, histories=histories)),
            ("crm_mon.xml", CRM_MON.format(instances=instances)),
        ):
            (self.directory / name).write_text(text, encoding="utf-8")


def cpu_s(process: Process) -> float:
    """What it has used of the processor, its threads included."""
    text = Path(f"/proc/{process.child.pid}/stat").read_text(encoding="ascii")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(process: Process) -> float:
    text = Path(f"/proc/{process.child.pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024
