# SPDX-License-Identifier: GPL-2.0-or-later
"""What doc/vm-managerd.md says to crm and to pcs is understood by both, and is the same; and of its
rules Pacemaker makes what the page says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from daemons.vm_managerd import rules
from pmkvm.pacemaker import tools
from pmkvm.run import run
from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (tree.ROOT / "doc" / "vm-managerd.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CONNECTD = "ocf:extra:vm-anything binfile=/usr/sbin/vm-connectd"
# What the page takes for granted.
BEFORE_CRM = (
    "node 1: node1\nproperty stonith-enabled=false no-quorum-policy=ignore\n"
    "primitive prmService ocf:pacemaker:Dummy\n"
    f"primitive prmVmConnectd {CONNECTD.replace(' b', ' params b')}\n"
    "clone clnVmConnectd prmVmConnectd\n"
)
BEFORE_PCS = (
    "pcs property set stonith-enabled=false no-quorum-policy=ignore\n"
    "pcs resource create prmService ocf:pacemaker:Dummy --force\n"
    f"pcs resource create prmVmConnectd {CONNECTD} clone clnVmConnectd --force\n"
)


def blocks(beginning: str) -> list[str]:
    return [block for block in BLOCKS if block.startswith(beginning)]


def compiled(directory: Path, language: str) -> ElementTree.Element:
    """The CIB of host's and guest's text together."""
    cib = directory / f"{language}.xml"
    cib.write_text(run(["cibadmin", "--empty"], timeout_s=60).out, encoding="utf-8")
    environment = {"CIB_file": str(cib), "HOME": str(directory)}
    if language == "crm":
        text = BEFORE_CRM + "".join(blocks("primitive "))
        argv = ["crm", "--force", "configure", "load", "update", "-"]
    else:
        lines = "".join(blocks("pcs ")).replace("\\\n", "").splitlines()
        # The agents are not installed where this runs.
        forced = [f"{line} --force" if " create " in line else line for line in lines]
        text = BEFORE_PCS + "\n".join(forced)
        text = text.replace("pcs ", f"pcs -f {cib} ")
        argv, environment = ["sh", "-e"], {"HOME": str(directory)}
    done = run(argv, timeout_s=120, stdin=text, environment=environment)
    assert done.rc == 0, done.err + done.out
    return ElementTree.parse(cib).getroot()


def parameters(cib: ElementTree.Element, primitive: str) -> dict[str, str]:
    pairs = cib.iterfind(f".//primitive[@id='{primitive}']/instance_attributes/nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def expressions(cib: ElementTree.Element) -> list[tuple[str | None, ...]]:
    found = cib.iterfind(".//rsc_location//expression")
    return sorted(
        tuple(each.get(name) or "" for name in ("attribute", "operation", "value"))
        for each in found
    )


def test_there_is_a_host_and_a_guest_in_each_language() -> None:
    assert [len(blocks(beginning)) for beginning in ("primitive ", "pcs ")] == [2, 2]


def test_crm_and_pcs_make_the_same(tmp_path: Path) -> None:
    crm, pcs = (compiled(tmp_path, language) for language in ("crm", "pcs"))
    for primitive in ("prmVmManagerd", "prmVmClient"):
        assert parameters(crm, primitive) == parameters(pcs, primitive) != {}
        assert crm.find(f".//clone/primitive[@id='{primitive}']") is not None
        assert pcs.find(f".//clone/primitive[@id='{primitive}']") is not None
    assert expressions(crm) == expressions(pcs)
    assert len(expressions(crm)) == 4


@pytest.mark.parametrize(
    ("value", "comparison", "runs"),
    [
        ("red", "eq red", False),
        ("green", "eq red", True),
        (None, "eq red", False),
        ("0", "lt 100", False),
        ("100", "lt 100", True),
        (None, "lt 100", False),
        # The trap of which the page tells: of words lt compares the texts.
        ("red", "lt 100", True),
    ],
)
def test_what_a_rule_makes_of_a_value(
    tmp_path: Path, value: str | None, comparison: str, runs: bool
) -> None:
    cib = tmp_path / "cib.xml"
    cib.write_text(run(["cibadmin", "--empty"], timeout_s=60).out, encoding="utf-8")
    environment = {"CIB_file": str(cib), "HOME": str(tmp_path)}
    rule = f"rule -inf: not_defined p or p {comparison}"
    text = f"{BEFORE_CRM}location loc prmService {rule}\n"
    argv = ["crm", "--force", "configure", "load", "update", "-"]
    run(argv, timeout_s=60, stdin=text, environment=environment)
    pair = "" if value is None else f"<nvpair id='s-p' name='p' value='{value}'/>"
    state = (
        "<node_state id='1' uname='node1' in_ccm='true' crmd='online' join='member'"
        " expected='member'><lrm id='1'><lrm_resources/></lrm><transient_attributes id='1'>"
        f"<instance_attributes id='s'>{pair}</instance_attributes></transient_attributes>"
        "</node_state>"
    )
    root = ElementTree.parse(cib).getroot()
    status = root.find("status")
    assert status is not None
    status.append(ElementTree.fromstring(state))
    cib.write_text(ElementTree.tostring(root, encoding="unicode"), encoding="utf-8")
    # Where a tool that is killed leaves its copy of the CIB.
    environment = {tools.SHADOW_DIRECTORY: str(cib.parent)}
    done = run(["crm_simulate", "-x", str(cib), "-S"], timeout_s=60, environment=environment)
    assert done.rc == 0, done.err
    last = [line for line in done.out.splitlines() if "prmService" in line][-1]
    assert ("Started node1" in last) == runs, done.out


def test_the_rules_on_the_page_are_those_that_are_shipped() -> None:
    shipped = rules.parse(
        (tree.ROOT / "daemons/vm_managerd/vm-manager.conf").read_text(encoding="utf-8")
    )
    whole, empty = (rules.parse(block) for block in blocks("[default_ping_set]"))
    for name in whole.names:
        for value in ("0", "50", "100", "ERROR", "normal"):
            assert whole.told(name, value) == shipped.told(name, value)
    assert empty.told("default_ping_set", "50") == "50"
