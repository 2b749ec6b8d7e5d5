# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-stonith-key prints is understood by crm and by pcs, on a file, and arrives unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from pmkvm.run import run
from pmkvm.tokens import ring
from pmkvm.tokens.ring import State
from stonith.vm_stonith_key import paste
from stonith.vm_stonith_key.members import Guest, Member

if TYPE_CHECKING:
    from pathlib import Path

UUID = "-6e5d-4c1b-9a53-0f8d7a3b9c10"
MEMBERS = [
    Member(node, Guest(f"prmVMCTL_{node}", node, f"{digit * 8}{UUID}", True))
    for node, digit in (("guest1", "1"), ("guest2", "2"), ("guest3", "3"))
]
KEY = ring.new_key(State.SEALS)
LISTED = paste.hostlist(MEMBERS, "hosts", ("reset", "off", "on"), KEY)


def form(head: str) -> list[str]:
    """The lines under the comment that begins so."""
    blocks = paste.text(MEMBERS, LISTED).split("\n\n")
    return next(block for block in blocks if block.startswith(f"# {head}")).splitlines()[1:]


def said_by(argv: list[str], stdin: str = "", **environment: str) -> str:
    done = run(argv, timeout_s=60, stdin=stdin, environment=environment)
    return done.out + done.err


@pytest.fixture
def cib(tmp_path: Path) -> Path:
    path = tmp_path / "cib.xml"
    path.write_text(said_by(["cibadmin", "--empty"]), encoding="utf-8")
    return path


def device(cib: Path) -> tuple[str, dict[str, str]]:
    root = ElementTree.parse(cib).getroot()
    primitive = root.find(f".//primitive[@id='{paste.DEVICE}']")
    assert primitive is not None, "no such primitive"
    pairs = primitive.iterfind("instance_attributes/nvpair")
    values = {pair.get("name", ""): pair.get("value", "") for pair in pairs}
    return primitive.get("type", ""), values


@pytest.mark.parametrize("agent", ["external/vm-stonith", "fence_vm_stonith"])
def test_crm(cib: Path, tmp_path: Path, agent: str) -> None:
    text = tmp_path / "text.crm"
    text.write_text("\n".join(form(f"crm configure, {agent}")), encoding="utf-8")
    argv = ["crm", "--force", "configure", "load", "update", str(text)]
    said = said_by(argv, CIB_file=str(cib), HOME=str(tmp_path))
    kind, values = device(cib)
    assert (kind, values["hostlist"], values["timeout"]) == (agent, LISTED, "20"), said


@pytest.mark.parametrize("agent", ["external/vm-stonith", "fence_vm_stonith"])
def test_pcs(cib: Path, agent: str) -> None:
    create, prop = form(f"pcs, {agent}")
    # The agents are not installed where this runs.
    script = f"{create} --force\n{prop}\n".replace("pcs ", f"pcs -f {cib} ")
    said = said_by(["sh"], script)
    kind, values = device(cib)
    assert (kind, values["hostlist"], values["timeout"]) == (agent, LISTED, "20"), said
