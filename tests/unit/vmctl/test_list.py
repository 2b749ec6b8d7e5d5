# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of `resource list`, and what it tells of each guest."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from pmkvm.columns import table
from pmkvm.fencing import ban as bans
from pmkvm.fencing.ban import Ban
from pmkvm.pacemaker.document import CibDocument
from tests.unit.pacemaker.script import Step
from tests.unit.vmctl.world import MIGRATE, cib, cluster, crm_mon, guest, running
from vmctl import list_table
from vmctl.list_table import Known

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.vmctl.world import Ended

    VmCtl = Callable[..., Ended]

QUERY, MON = ("cibadmin", "--query"), ("crm_mon", "--output-as=xml")
CONSTRAINTS = (
    '<rsc_location id="locVMCTL_g1_hostA_ACT" rsc="prmVMCTL_g1" score="200" node="hostA"/>'
    '<rsc_location id="cli-ban-prmVMCTL_g1-on-hostB" rsc="prmVMCTL_g1" node="hostB"/>'
    '<rsc_location id="other" rsc="prmVMCTL_g2" score="200" node="hostB"/>'
)
DISKS = (
    '<meta_attributes id="d"><nvpair id="e" name="vm-disks" value="0123 vda%20/x/g%202"/>'
    "</meta_attributes>"
)
VALUE = '<instance_attributes id="{0}-i"><nvpair id="{0}-v" name="{1}" value="{2}"/>'
CONNECTD = (
    '<clone id="c"><primitive id="p" class="ocf" provider="extra" type="vm-anything">'
    f"{VALUE.format('p', 'binfile', '/usr/sbin/vm-connectd')}</instance_attributes>"
    "</primitive></clone>"
)
PORT = "<devices><channel type='unix'><target type='virtio' name='vmconnectd'/></channel></devices>"


def ban(domain: str, seconds: int) -> str:
    end = int(time.time()) + seconds
    return bans.to_xml(Ban(f"prmVMCTL_{domain}", "reset", "1", "r", "h", "hostA", "u", end))


def test_list_has_a_row_for_each_guest() -> None:
    constraints = CONSTRAINTS + ban("g1", -1) + ban("g2", 60)
    cib_document = CibDocument(cib(guest("g1", MIGRATE) + guest("g2", DISKS), constraints))
    found = cluster(running("g1", "hostA") + running("g2"))
    known = Known(cib_document, found, time.time(), ["prmVMCTL_g2"])
    rows = [list_table.row(domain, known) for domain in cib_document.domains()]
    wrong = "definition differs: vda /x/g 2; channel missing"
    assert rows == [
        ("g1", "prmVMCTL_g1", "on", "hostA", "hostA", "yes", "reset, expired", ""),
        ("g2", "prmVMCTL_g2", "NONE", "NONE", "Stopped", "no", "reset", wrong),
    ]
    head = "Domain  Resource     Migration  Preferred  Running  Move constraint  Ban             "
    assert table(list_table.HEADINGS, rows).splitlines() == [
        f"{head}Problem",
        "------  -----------  ---------  ---------  -------  ---------------  --------------  "
        + "-" * len(wrong),
        "g1      prmVMCTL_g1  on         hostA      hostA    yes              reset, expired",
        "g2      prmVMCTL_g2  NONE       NONE       Stopped  no               reset           "
        + wrong,
    ]


def test_list_of_a_node_has_the_guests_of_others_too() -> None:
    cib_document = CibDocument(cib(guest("g1")))
    foreign = running("x", "hostA").replace("prmVMCTL_x", "their-guest")
    found = cluster(running("g1", "hostA") + foreign + running("g3", "hostB"))
    rows = list_table.on_node("hostA", Known(cib_document, found, time.time()))
    assert [row[:2] for row in rows] == [("g1", "prmVMCTL_g1"), ("-", "their-guest")]


def test_copies_of_a_clone_may_differ_in_what_is_under_way() -> None:
    monitored = running("g9", "hostA", more='pending="Monitoring"')
    found = cluster(monitored + running("g9", "hostB"))
    rows = list_table.on_node("hostB", Known(CibDocument(cib()), found, time.time()))
    assert rows == [("-", "prmVMCTL_g9", "-", "-", "hostB", "-", "-", "")]


def test_columns_hold_wide_letters() -> None:
    rows = [("ゲスト", *"abcdefg"), ("guest1", *"abcdefg")]
    lines = table(list_table.HEADINGS, rows).splitlines()
    assert lines[2] == "ゲスト  " + lines[3][8:]


def test_a_guest_without_a_port_has_that_problem_where_the_cluster_has_vm_connectd(
    vm_ctl: VmCtl, tmp_path: Path
) -> None:
    texts = {"g1": f"<domain>{PORT}</domain>", "g2": "<domain/>", "g3": "<dom", "g4": None}
    guests = ""
    for name, text in texts.items():
        path = tmp_path / f"{name}.xml"
        if text is not None:
            path.write_text(text, encoding="utf-8")
        guests += guest(name, f"{VALUE.format(name, 'config', path)}</instance_attributes>")
    for clones, missing in ((CONNECTD, ["g2"]), ("", [])):
        steps = (Step(QUERY, out=cib(clones + guests)), Step(MON, out=crm_mon()))
        rows = json.loads(vm_ctl("resource list --json", *steps).out)
        assert [row["domain"] for row in rows if row["problem"] == "channel missing"] == missing
        assert len(rows) == len(texts)
