# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion of the programs beside vm-ctl offers what each of them knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pmkvm.run import run
from stonith.stonith_helper.texts import TEXTS as HELPER
from stonith.vm_stonith.texts import TEXTS as VM_STONITH
from tests import tree
from tests.unit.test_house_manual import MAN, installed, options_of_page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stonith.plugin.fence_texts import Texts

COMPLETION = tree.ROOT / "rpm" / "completion.bash"
COMPLETIONS = "/usr/share/bash-completion/completions"
NAMES = sorted(
    re.findall(r"[\w-]+", COMPLETION.read_text(encoding="utf-8").rpartition("_tools \\\n")[2])
)


def completed(
    directory: Path, completion: Path, call: str, tools: Mapping[str, str], *typed: str
) -> list[str]:
    """What bash makes of the completion's call for the words that are typed, with these tools."""
    for name, text in tools.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (directory / name).chmod(0o755)
    script = f'. "{completion}"; {call}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    argv = ["bash", "-uc", f'cd "{directory}"; {script}', "bash", *typed]
    done = run(argv, timeout_s=30, environment={"PATH": f"{directory}:/usr/bin:/bin"})
    assert (done.rc, done.err) == (0, "")
    return done.out.split("\n")[:-1]


def complete(directory: Path, *typed: str) -> list[str]:
    """What is offered for the last that is typed, where crm_resource lists two resources."""
    tools = {
        "crm_resource": "printf '%s\\n' prmVMCTL_guest1 prmOther",
        "crm_node": "printf '%s\\n' '1 host1 member' '2 host2 member'",
        "virsh": "printf '%s\\n' guest1 guest2",
    }
    call = (
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pm_kvm_tools "$1"'
        ' "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"'
    )
    return [line for line in completed(directory, COMPLETION, call, tools, *typed) if line]


def test_it_is_installed_under_the_name_of_each_program() -> None:
    assert [f"{COMPLETIONS}/{name}" for name in NAMES] == sorted(
        path for path, source in installed().items() if source == "rpm/completion.bash"
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_offers_every_long_option_of_the_page(tmp_path: Path, name: str) -> None:
    page = (MAN / f"{name}.8").read_text(encoding="utf-8")
    expected = {option for option in options_of_page(page) if option.startswith("--")}
    verbs = ("create", "list", "rotate", "token") if name == "vm-stonith-key" else ()
    lines = [(name, "--"), *((name, verb, "--") for verb in verbs)]
    assert {offer for line in lines for offer in complete(tmp_path, *line)} == expected


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("vm-stonith-key ro", ["rotate"]),
        ("vm-stonith-key list --f", ["--file"]),
        ("vm-stonith-key create --file crm_r", ["crm_resource"]),
        ("vm-adopt prmV", ["prmVMCTL_guest1"]),
        ("vm-adopt --back pr", ["prmVMCTL_guest1", "prmOther"]),
        ("/usr/sbin/vm-connect -t m", ["monitor"]),
        ("vm-connectd --type = g", ["guest"]),
        ("vm-connect -r ", []),
        ("ifcheckd -d ", []),
        ("ifcheckd --st", ["--status"]),
        ("vm-log --resource prmV", ["prmVMCTL_guest1"]),
        ("vm-log --since ", []),
        ("vm-check --format p", ["prometheus"]),
        ("vm-check --host h", ["host1", "host2"]),
        ("vm-check --guest ", ["guest1", "guest2"]),
        ("vm-log --follow crm_r", ["crm_resource"]),
        ("fence_vm_stonith --action = list-", ["list-status"]),
    ],
)
def test_it_knows_what_follows(tmp_path: Path, typed: str, offered: list[str]) -> None:
    assert complete(tmp_path, *typed.split(" ")) == offered


@pytest.mark.parametrize("agent", [HELPER, VM_STONITH], ids=lambda agent: agent.name)
def test_it_offers_every_action(tmp_path: Path, agent: Texts) -> None:
    actions = [name for name, _text in agent.actions]
    assert complete(tmp_path, agent.name, "-o", "") == actions
