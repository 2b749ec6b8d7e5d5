# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages and completion say what the program does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests import tree
from tests.unit.test_house_completion import completed
from vmctl import command_line, configuration
from vmctl.messages import TEXTS

if TYPE_CHECKING:
    from pathlib import Path

MAN = tree.ROOT / "doc" / "man"
COMPLETION = tree.ROOT / "vmctl" / "vm-ctl.bash"
CALL = 'COMP_WORDS=(vm-ctl "$@"); COMP_CWORD=$#; _vm_ctl'


def page(name: str) -> str:
    """A page's words, without its fonts."""
    text = (MAN / name).read_text(encoding="utf-8").replace("\\-", "-")
    return re.sub(r"\\f[BIRP]", "", text).replace('"', "")


@pytest.mark.parametrize("command", command_line.VERBS)
def test_the_page_has_each_command_with_its_options(command: tuple[str, str]) -> None:
    synopsis = page("vm-ctl.8").partition(".SH DESCRIPTION")[0]
    line = next(x for x in synopsis.splitlines() if " ".join(command) in " ".join(x.split()))
    verb = command_line.VERBS[command]
    own = [option for option in verb.options if option not in command_line.DRY]
    assert set(re.findall(r"(?<![\w-])--?[a-z-]+", line)) == set(own)
    assert ("DRY" in line) is ("--dry-run" in verb.options)


def test_the_page_has_each_option_and_each_default() -> None:
    options = page("vm-ctl.8").partition(".SH OPTIONS")[2].partition(".SH CHANGE")[0]
    found = re.findall(r"^\.BI? ?R?\s*(--?[a-z-]+)", options, re.MULTILINE)
    assert set(found) == set(command_line.OPTIONS)


def test_a_message_refers_to_a_section_that_is_there() -> None:
    assert "see CHANGE OF OWNER in vm-ctl(8)" in TEXTS[47]
    assert ".SH CHANGE OF OWNER" in page("vm-ctl.8")


def test_the_page_of_the_configuration_has_each_key_with_its_default() -> None:
    found = dict(re.findall(r"^\.B (vm_\w+|crmadmin_timeout)=(.*)$", page("vm-ctl.conf.5"), re.M))
    entries = [key for key in found if configuration.ENTRY.fullmatch(key)]
    assert {re.sub(r"\d", "", key[3:]) for key in entries} == set(configuration.ENTRY_NUMBERS)
    defaults = {key: default for key, (default, _rule) in configuration.KEYS.items()}
    said = {key: tuple(v.strip("()").split()) for key, v in found.items() if key not in entries}
    assert said == defaults
    # The examples are valid together.
    text = "".join(f"{key}={value}\n" for key, value in found.items())
    assert len(list(configuration.from_text(text, "page").required_clones())) == len(entries)


def complete(directory: Path, *typed: str) -> list[str]:
    """What is offered for the last that is typed."""
    tools = {
        "crm_node": "echo 1 hostA member; echo 2 hostB member",
        "virsh": "printf '%s\\n' guest1 guest2 'my guest' ''",
        "vm-ctl": "printf '%s\\n' 'Domain  Ban' '------  ---' 'guest1  no' 'my guest  no'",
    }
    return completed(directory, COMPLETION, CALL, tools, *typed)


@pytest.mark.parametrize("command", command_line.VERBS)
def test_completion_offers_each_command_with_its_options(
    tmp_path: Path, command: tuple[str, str]
) -> None:
    noun, verb = command
    assert noun in complete(tmp_path, noun[:1])
    assert verb in complete(tmp_path, noun, verb[:2])
    expected = {*command_line.VERBS[command].options, "--help"}
    assert set(complete(tmp_path, noun, verb, "-")) == expected


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["resource", "add", ""], ["guest1", "guest2", "my\\ guest"]),
        (["resource", "start", "g"], ["guest1"]),
        (["resource", "start", "guest2,m"], ["guest2,my\\ guest"]),
        (["resource", "start", "guest2,", "gu"], ["guest1"]),
        (["resource", "add", "guest1", "-a", "host"], ["hostA", "hostB"]),
        (["resource", "list", "-n", ""], ["hostA", "hostB"]),
        (["location", "move", "-b", "hostB"], ["hostB"]),
        (["resource", "add", "guest1", "-m", ""], ["on", "off"]),
        (["resource", "stop", "guest1", "--format", ""], list(command_line.FORMATS)),
        (["nosuch", "x"], [""]),
    ],
)
def test_completion_knows_domains_and_nodes(
    tmp_path: Path, typed: list[str], offered: list[str]
) -> None:
    assert complete(tmp_path, *typed) == offered


def test_completion_offers_help_and_what_it_is_for(tmp_path: Path) -> None:
    assert complete(tmp_path, "he") == ["help"]
    verbs = {word for command in command_line.VERBS for word in command}
    assert set(complete(tmp_path, "help", "")) == verbs
