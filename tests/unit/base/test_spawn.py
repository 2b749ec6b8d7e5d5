# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that outlive their caller; the processes are real."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm import process, run
from pmkvm.deadline import Deadline
from pmkvm.errors import CommandError, CommandMissingError
from pmkvm.process import Life, Pidfd
from pmkvm.run import Account, exit_code, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Output:
    """A file for what is spawned, which may then be waited for and read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT)

    def spawn(
        self, *argv: str, directory: str | None = None, account: Account | None = None
    ) -> Life:
        return spawn(
            argv,
            environment={"ONLY": "this"},
            directory=directory,
            account=account,
            stdout=self.fd,
            stderr=self.fd,
        )

    def of(self, life: Life) -> tuple[int | None, str]:
        with Pidfd(life) as pidfd:
            assert pidfd.wait_dead(30)
        return exit_code(life), self._path.read_text(encoding="utf-8")


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    output = Output(tmp_path / "output")
    yield output
    os.close(output.fd)


def test_a_spawned_program_has_what_it_is_given_and_nothing_else(
    output: Output, tmp_path: Path
) -> None:
    code = (
        "import os; print(dict(os.environ).get('ONLY'), 'PATH' in os.environ, os.getcwd(),"
        " os.getsid(0) == os.getpid(), oct(os.umask(0)), os.read(0, 1))"
    )
    life = output.spawn(sys.executable, "-I", "-c", code, directory=str(tmp_path))
    assert output.of(life) == (0, f"this False {tmp_path} True 0o22 b''\n")


def test_it_stays_when_nobody_holds_it(output: Output) -> None:
    life = output.spawn("/bin/sleep", "60")
    gc.collect()
    assert process.life_of(life.pid) == life
    assert exit_code(life) is None
    with Pidfd(life) as pidfd:
        pidfd.send(9)  # type: ignore[arg-type]
    assert output.of(life)[0] == -9
    assert exit_code(life) is None


def test_arguments_are_not_for_a_shell(output: Output) -> None:
    assert output.of(output.spawn("/bin/echo", "$HOME; *", "a  b")) == (0, "$HOME; * a  b\n")


def test_a_program_that_can_t_be_started_is_said_in_our_words(
    output: Output, tmp_path: Path
) -> None:
    with pytest.raises(CommandMissingError, match=r"^/nowhere/tool is not installed$"):
        output.spawn("/nowhere/tool")
    script = tmp_path / "script"
    script.write_text("exit 0\n")
    with pytest.raises(CommandMissingError, match="is not executable"):
        output.spawn(str(script))
    script.chmod(0o700)
    with pytest.raises(CommandError, match="Exec format error"):
        output.spawn(str(script))


def test_an_account_is_taken_on_whole_or_not_at_all(output: Output) -> None:
    account = Account(65534, 65533, [65533, 65532])
    if os.geteuid() != 0:
        with pytest.raises(CommandError):
            output.spawn("/bin/true", account=account)
        return
    code = "import os; print(os.getresuid(), os.getresgid(), sorted(os.getgroups()))"
    life = output.spawn("/usr/bin/python3", "-I", "-c", code, account=account)
    uids, gids = (65534,) * 3, (65533,) * 3
    assert output.of(life) == (0, f"{uids} {gids} [65532, 65533]\n")


def test_children_are_waited_for_and_not_for_ever() -> None:
    quick = subprocess.Popen(["sleep", "0.2"])
    run.wait_for_children(Deadline(30))
    with pytest.raises(ChildProcessError):
        os.waitpid(quick.pid, 0)
    quick.returncode = 0
    with subprocess.Popen(["sleep", "60"]) as slow:
        began = time.monotonic()
        run.wait_for_children(Deadline(0.2))
        assert time.monotonic() - began < 30
        assert slow.poll() is None
        slow.kill()
