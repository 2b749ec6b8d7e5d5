# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person sees: help, hints, errors and warnings at a terminal, an output that is full."""

from __future__ import annotations

import grp
import os
import sys
from typing import TYPE_CHECKING

import pytest

from pmkvm.errors import DeadlineError
from pmkvm.pacemaker import tools
from pmkvm.run import run
from pmkvm.thread_call import StuckError
from tests import tree
from tests.unit.pacemaker.script import Step
from vmctl import command_line, main
from vmctl.command_line import UsageError, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.vmctl.world import Ended

    VmCtl = Callable[..., Ended]

MON, QUERY = ("crm_mon", "--output-as=xml"), ("cibadmin", "--query")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("resource strat g", "resource start"),
        ("start g", "resource start"),
        ("list", "resource list"),
        ("location moev g", "location move"),
        ("resorce list", "resource list"),
        ("xyzzy", ""),
    ],
)
def test_a_wrong_verb_suggests_the_nearest(typed: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(typed.split())
    assert str(caught.value).partition("; ")[2] == (f"did you mean vm-ctl {hint}?" if hint else "")


@pytest.mark.parametrize(
    ("typed", "commands"),
    [
        ("help", 8),
        ("resource --help", 7),
        ("help location", 1),
        ("help resource start", 1),
        ("help start", 1),
        ("start --help", 1),
        ("help move", 2),
        ("resource move g -n hostA -h", 1),
    ],
)
def test_help_is_there_however_it_is_asked_for(
    typed: str, commands: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(typed.split()) == 0
    said = capsys.readouterr()
    assert said.err == ""
    starts = [line.replace("usage:", "").strip() for line in said.out.splitlines()]
    told = {" ".join(each.split()[1:3]) for each in starts if each.startswith("vm-ctl ")}
    assert len(told & {" ".join(each) for each in command_line.VERBS}) == commands


def test_help_for_no_command_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["help", "strat"]) == 1
    assert "did you mean vm-ctl resource start?" in capsys.readouterr().err


@pytest.mark.parametrize("command", command_line.VERBS)
def test_a_usage_line_is_balanced(command: tuple[str, str]) -> None:
    line = command_line.usage(command)
    for opening, closing in (("[", "]"), ("{", "}"), ("(", ")")):
        assert line.count(opening) == line.count(closing)


def test_a_resource_s_name_stands_for_its_domain() -> None:
    assert parse(["resource", "start", "prmVMCTL_guest1,", "guest2"]).domains == (
        "guest1",
        "guest2",
    )
    assert parse(["resource", "add", "prmVMCTL_g", "-a", "hostA"]).domains == ("prmVMCTL_g",)


def test_who_is_neither_root_nor_in_haclient_is_told_that(
    vm_ctl: VmCtl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65533)
    own = grp.struct_group(("haclient", "x", 65532, []))
    monkeypatch.setattr(grp, "getgrnam", lambda _name: own)
    said = "Pacemaker answers only root and the group haclient; uid 65533 is neither"
    for rc in (102, 1):
        ended = vm_ctl("resource list", Step(QUERY, rc, err="<xml/>"))
        assert (ended.rc, ended.err) == (1, f"vm-ctl: MSG88 {said}\n")
    # A member is told what a tool says.
    monkeypatch.setattr(os, "getgroups", lambda: [65532])
    assert "MSG01" in vm_ctl("resource list", Step(QUERY, 102)).err


def test_a_cib_file_that_is_missing_is_one_line(
    vm_ctl: VmCtl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tools.CIB_FILE, "/nowhere/cib.xml")
    ended = vm_ctl("resource list")
    assert (ended.rc, ended.out) == (1, "")
    assert ended.err == "vm-ctl: MSG89 /nowhere/cib.xml: there is no such file (CIB_file)\n"


def test_an_agent_that_this_host_does_not_have_is_refused(vm_ctl: VmCtl, tmp_path: Path) -> None:
    (tmp_path / "ocf" / "extra" / "VirtualDomain").unlink()
    ended = vm_ctl("resource add guest1 -a hostA")
    assert (ended.rc, ended.out) == (1, "")
    assert "MSG91 " in ended.err
    assert "vm_ocf: ocf:extra:VirtualDomain is not installed on this host" in ended.err


def test_the_place_in_our_code_is_for_a_log() -> None:
    error = StuckError("out of time while asking", " (in __init__, connection.py:199)")
    assert isinstance(error, DeadlineError)
    assert "connection.py" in str(error)
    assert error.said == "out of time while asking"


def in_shell(command: str, *, timeout_s: float = 60.0) -> tuple[int, str]:
    """The exit code and what it says on standard error."""
    program = f"{sys.executable} -B -m vmctl.main"
    argv = ("bash", "-c", f"cd {tree.ROOT}; {command.format(program)}; exit ${{PIPESTATUS[0]}}")
    done = run(argv, timeout_s=timeout_s)
    return done.rc, done.err


@pytest.mark.parametrize("to", [">/dev/full", "| true", ">&-"])
def test_an_output_that_is_full_or_closed_is_one_line(to: str) -> None:
    waits = "sleep 0.5; " if "|" in to else ""
    rc, said = in_shell(f"({waits}exec {{}} --help) {to}")
    assert rc == 1
    assert said.startswith("vm-ctl: MSG90 its output can't be written: ")
    assert said.count("\n") == 1


def at_terminal(*arguments: str) -> str:
    """What a person sees of its standard error."""
    terminal, end = os.openpty()
    try:
        text = f"{sys.executable} -B -m vmctl.main {' '.join(arguments)}"
        argv = ("bash", "-c", f"cd {tree.ROOT}; exec {text} 2>{os.ttyname(end)}")
        done = run(argv, timeout_s=60.0, environment={"CIB_file": "/nowhere"})
        assert done.rc == 1
        return os.read(terminal, 4096).decode()
    finally:
        os.close(end)
        os.close(terminal)


def test_at_a_terminal_an_error_says_that_it_is_one() -> None:
    conf = tree.ROOT / "vmctl" / "vm-ctl.conf"
    said = at_terminal("resource", "list", "--config", str(conf))
    assert said.startswith("vm-ctl: \x1b[1;31merror:\x1b[0m MSG89 ")
    # What is said of a misspelt command is not followed by all commands.
    near = "no such command: lsit; did you mean vm-ctl resource list?"
    assert at_terminal("lsit").split("\r\n") == [f"vm-ctl: \x1b[1;31merror:\x1b[0m {near}", ""]


def test_a_warning_looks_different(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vmctl.messages import message, say

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    say([message(49)])
    assert capsys.readouterr().err.startswith("vm-ctl: \x1b[1;33mwarning:\x1b[0m MSG49 ")
