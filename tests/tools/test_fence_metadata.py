# SPDX-License-Identifier: GPL-2.0-or-later
"""Our fence agents' metadata against fence-agents' grammar, and as cluster tools read it."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from stonith.plugin import fence_agent, glue
from stonith.stonith_helper import external as helper_external
from stonith.stonith_helper import fence_agent as helper
from stonith.vm_stonith import external as vm_stonith_external
from stonith.vm_stonith import fence_agent as vm_stonith
from tests.tools.test_metadata import complaints

if TYPE_CHECKING:
    from pathlib import Path

    from stonith.plugin.fence_agent import Agent
    from stonith.plugin.glue import Plugin

RNG = "/usr/share/cluster/relaxng/metadata.rng"


AGENTS = {"fence_vm_stonith": vm_stonith.AGENT, "fence_vm_helper": helper.AGENT}


def printed(agent: Agent, action: str) -> str:
    out = io.StringIO()
    assert fence_agent.run(agent, ["-o", action], [], {}, out, io.StringIO()) == 0
    return out.getvalue()


@pytest.fixture
def metadata() -> str:
    return printed(vm_stonith.AGENT, "metadata")


@pytest.mark.parametrize("name", AGENTS)
def test_it_satisfies_the_grammar_of_fence_agents(tmp_path: Path, name: str) -> None:
    text = printed(AGENTS[name], "metadata")
    assert complaints(tmp_path, text, "--relaxng", RNG) == ""
    assert ET.fromstring(text).get("name") == name


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


@pytest.mark.parametrize(
    ("plugin", "name"),
    [(vm_stonith_external.PLUGIN, "fence_vm_stonith"), (helper_external.PLUGIN, "fence_vm_helper")],
)
def test_both_faces_have_the_same_parameters_of_2011(plugin: Plugin, name: str) -> None:
    out = io.StringIO()
    glue.run(plugin, ["getinfo-xml"], {}, out, io.StringIO())
    names = {one.get("name") for one in ET.fromstring(out.getvalue()).iter("parameter")}
    metadata = ET.fromstring(printed(AGENTS[name], "metadata"))
    assert names <= {one.get("name") for one in metadata.iter("parameter")}


def test_the_helper_switches_nothing_on_and_says_so() -> None:
    root = ET.fromstring(printed(helper.AGENT, "metadata"))
    actions = {one.get("name") for one in root.iter("action")}
    assert {"off", "reboot", "monitor", "list", "validate-all"} <= actions
    assert "on" not in actions
    assert root.find(".//parameter[@name='plug']") is not None


@pytest.mark.parametrize("name", AGENTS)
def test_the_man_page_is_troff(name: str) -> None:
    page = printed(AGENTS[name], "manpage")
    assert page.startswith(f".TH {name.upper()} 8")
    assert not [line for line in page.splitlines() if line.startswith("'")]
