# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtualDomain's metadata against the three grammars that the distribution has of it;
fence_vm_stonith's against fence-agents' grammar, and as cluster tools read it.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.agent import AGENT
from pmkvm.ocf.table import Action, Agent, Parameter
from pmkvm.run import run
from stonith.plugin import glue
from stonith.vm_stonith import external, fence_agent
from tests.unit.ocf.sample import PARAMETERS, call, succeed

if TYPE_CHECKING:
    from pathlib import Path


DTD = "/usr/share/resource-agents/ra-api-1.dtd"
PCS_RNG = "/usr/share/pcs/data/ocf-1.1.rng"
RNG = "/usr/share/resource-agents/metadata.rng"

OLD = {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "0"}
NEW = {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"}

# One of everything that the table can hold.
SAMPLE = Agent(
    "Sample",
    "2.0",
    "A < B & C",
    'Says "<&>".',
    (*PARAMETERS, Parameter("nasty", "<&>", "]]>", default='"<&>"')),
    (
        Action("start", 30, succeed),
        Action("stop", 30, succeed, tolerant=True),
        Action("monitor", 20, succeed, interval_s=10),
        Action("reload-agent", 20, succeed),
        Action("validate-all", 5, succeed),
    ),
)

each_agent = pytest.mark.parametrize("agent", [AGENT, SAMPLE], ids=["VirtualDomain", "Sample"])


def complaints(directory: Path, text: str, *grammar: str) -> str:
    """What xmllint has against it, nothing as it should be."""
    document = directory / "metadata.xml"
    document.write_text(text, encoding="utf-8")
    done = run(["xmllint", "--noout", "--nonet", *grammar, str(document)], timeout_s=60)
    return "" if done.rc == 0 else done.err


def said(agent: Agent, env: dict[str, str]) -> str:
    return call(agent, "meta-data", env=env).out


@each_agent
def test_the_old_form_satisfies_the_dtd_of_ocf_tester(tmp_path: Path, agent: Agent) -> None:
    assert complaints(tmp_path, said(agent, OLD), "--dtdvalid", DTD) == ""


@each_agent
@pytest.mark.parametrize("grammar", [PCS_RNG, RNG])
def test_the_old_form_satisfies_both_grammars(tmp_path: Path, agent: Agent, grammar: str) -> None:
    assert complaints(tmp_path, said(agent, {}), "--relaxng", grammar) == ""


@each_agent
def test_the_new_form_satisfies_the_grammar_of_ocf_1_1(tmp_path: Path, agent: Agent) -> None:
    assert complaints(tmp_path, said(agent, NEW), "--relaxng", PCS_RNG) == ""


def test_these_tests_can_fail(tmp_path: Path) -> None:
    """The new form is what the old grammars refuse; that is why there are two."""
    assert "unique-group" in complaints(tmp_path, said(SAMPLE, NEW), "--dtdvalid", DTD)
    assert complaints(tmp_path, said(SAMPLE, NEW), "--relaxng", RNG)


FENCE_RNG = "/usr/share/cluster/relaxng/metadata.rng"


@pytest.fixture
def metadata() -> str:
    out = io.StringIO()
    assert fence_agent.run(["-o", "metadata"], [], {}, out, io.StringIO()) == 0
    return out.getvalue()


def test_it_satisfies_the_grammar_of_fence_agents(tmp_path: Path, metadata: str) -> None:
    assert complaints(tmp_path, metadata, "--relaxng", FENCE_RNG) == ""


def test_this_grammar_can_refuse(tmp_path: Path, metadata: str) -> None:
    assert complaints(tmp_path, metadata.replace('unique="0"', ""), "--relaxng", FENCE_RNG)


def test_pacemaker_gives_plug_and_never_unfences(metadata: str) -> None:
    root = ET.fromstring(metadata)
    # Pacemaker chooses plug where there is one, and unfences by an `on` that is automatic.
    assert root.find(".//parameter[@name='plug']") is not None
    assert [one.get("automatic") for one in root.iterfind(".//action[@name='on']")] == ["0"]
    assert not any(one.get("on_target") for one in root.iter("action"))
    required = [one.get("name") for one in root.iter("parameter") if one.get("required") == "1"]
    assert required == ["hostlist"]


def test_both_faces_have_the_same_parameters_of_2011(metadata: str) -> None:
    out = io.StringIO()
    glue.run(external.PLUGIN, ["getinfo-xml"], {}, out, io.StringIO())
    names = {one.get("name") for one in ET.fromstring(out.getvalue()).iter("parameter")}
    assert names <= {one.get("name") for one in ET.fromstring(metadata).iter("parameter")}


def test_the_man_page_is_troff() -> None:
    out = io.StringIO()
    assert fence_agent.run(["-o", "manpage"], [], {}, out, io.StringIO()) == 0
    assert out.getvalue().startswith(".TH FENCE_VM_STONITH 8")
    assert not [line for line in out.getvalue().splitlines() if line.startswith("'")]
