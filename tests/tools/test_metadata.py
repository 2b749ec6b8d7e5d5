# SPDX-License-Identifier: GPL-2.0-or-later
"""The metadata against the three grammars that the distribution has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.diskd.agent import AGENT as DISKD
from agents.virtual_domain.agent import AGENT as VIRTUAL_DOMAIN
from agents.vm_anything.agent import AGENT as VM_ANYTHING
from agents.vm_client.agent import AGENT as VM_CLIENT
from pmkvm.ocf.table import Action, Agent, Parameter
from pmkvm.run import run
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

AGENTS = [VIRTUAL_DOMAIN, VM_ANYTHING, DISKD, VM_CLIENT, SAMPLE]
each_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


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
