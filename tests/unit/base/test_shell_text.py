# SPDX-License-Identifier: GPL-2.0-or-later
"""A command line that can't be run is told from one that can, by this machine's own shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm import run, shell_text
from pmkvm.deadline import Deadline
from pmkvm.errors import CommandTimeoutError

if TYPE_CHECKING:
    from pathlib import Path

    from pmkvm.shell_text import Fault


def fault(text: str) -> Fault | None:
    return shell_text.fault(text, Deadline(60))


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "cat /etc/hosts | grep -q `uname -n`",
        "/bin/sh -c 'exit 3'",
        "LC_ALL=C X=1 ls",
        "if true; then false; fi",
        "! true",
        "[ -e /etc ]",
        "(nosuch-command)",
        '"$HOME/nosuch"',
        "$COMMAND",
        "ls;nosuch-command",
        "",
        "# nothing",
    ],
)
def test_nothing_is_said_against_what_a_shell_may_run(text: str) -> None:
    assert fault(text) is None


@pytest.mark.parametrize("text", ["echo 'open", 'echo "open', "echo `open", "if true", "true | "])
def test_what_no_shell_can_read_is_wrong_everywhere(text: str) -> None:
    found = fault(text)
    assert found is not None
    assert found.is_everywhere
    assert "can't read it" in found.text


@pytest.mark.parametrize("text", ["nosuch-command", "  nosuch-command | cat", "A=b nosuch-command"])
def test_a_command_that_is_not_there(text: str) -> None:
    found = fault(text)
    assert found == ("nosuch-command is not there, or is not executable", False)


def test_a_path_must_be_a_file_that_is_executable(tmp_path: Path) -> None:
    script = tmp_path / "check"
    missing = (f"{script} is not there, or is not executable", False)
    assert fault(f"{script} -x") == missing
    script.touch(0o644)
    assert fault(f"{script} -x") == missing
    script.chmod(0o755)
    assert fault(f"{script} -x") is None
    assert fault(f"{tmp_path} -x") is not None


def test_nothing_of_it_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    assert fault(f"touch {trace}; touch {trace}") is None
    assert not trace.exists()


def test_a_shell_that_hangs_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_argv: object, **_more: object) -> None:
        raise CommandTimeoutError("/bin/sh did not end within 5.0 s")

    monkeypatch.setattr(run, "run", hang)
    with pytest.raises(CommandTimeoutError):
        fault("true")
