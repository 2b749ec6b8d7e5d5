# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_stonith's metadata against fence-agents' grammar, and as cluster tools read it."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from stonith.plugin import fence_agent, glue
from stonith.vm_stonith import external
from stonith.vm_stonith.fence_agent import AGENT
from tests.tools.test_metadata import complaints

if TYPE_CHECKING:
    from pathlib import Path

RNG = "/usr/share/cluster/relaxng/metadata.rng"


@pytest.fixture
def metadata() -> str:
    out = io.StringIO()
    assert fence_agent.run(AGENT, ["-o", "metadata"], [], {}, out, io.StringIO()) == 0
    return out.getvalue()


def test_it_satisfies_the_grammar_of_fence_agents(tmp_path: Path, metadata: str) -> None:
    assert complaints(tmp_path, metadata, "--relaxng", RNG) == ""


def test_this_grammar_can_refuse(tmp_path: Path, metadata: str) -> None:
    assert complaints(tmp_path, metadata.replace('unique="0"', ""), "--relaxng", RNG)


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
    assert fence_agent.run(AGENT, ["-o", "manpage"], [], {}, out, io.StringIO()) == 0
    assert out.getvalue().startswith(".TH FENCE_VM_STONITH 8")
    assert not [line for line in out.getvalue().splitlines() if line.startswith("'")]
