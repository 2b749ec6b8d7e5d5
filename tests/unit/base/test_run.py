# SPDX-License-Identifier: GPL-2.0-or-later
"""Real children throughout: what counts is what is left of them."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm import run as module
from pmkvm import settings
from pmkvm.errors import (
    CommandError,
    CommandExhaustedError,
    CommandMissingError,
    CommandTimeoutError,
    DeadlineError,
)
from pmkvm.run import run
from tests import tree
from tests.unit import exhaustion

if TYPE_CHECKING:
    from pathlib import Path


def died(pid: int) -> bool:
    """Whether the process is dead, or dies within ten seconds."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 10)[0])
    finally:
        os.close(pidfd)


def children() -> list[str]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="utf-8") as file:
        return file.read().split()


@pytest.mark.parametrize(
    ("argv", "stdin", "done"),
    [
        (["/bin/sh", "-c", "echo out; echo err >&2; exit 5"], None, (5, "out\n", "err\n")),
        (["/bin/sh", "-c", "kill -TERM $$"], None, (-15, "", "")),
        # Arguments are not for a shell.
        (["echo", "$HOME; *", "a  b"], None, (0, "$HOME; * a  b\n", "")),
        (["cat"], "two\nlines\u00e9", (0, "two\nlines\u00e9", "")),
        (["cat"], None, (0, "", "")),
        # Nobody reads it, which is no error.
        (["true"], "x" * 10**6, (0, "", "")),
        (["/bin/sh", "-c", r"printf 'a\377b'"], None, (0, "a\ufffdb", "")),
    ],
    ids=["all three", "signal", "no shell", "input", "no input", "input unread", "undecodable"],
)
def test_a_program_runs_to_its_end(
    argv: list[str], stdin: str | None, done: tuple[int, str, str]
) -> None:
    assert run(argv, timeout_s=60, stdin=stdin) == done


def test_input_is_whole_though_the_caller_is_killed(tmp_path: Path) -> None:
    """cibadmin of Pacemaker 2.1 repairs XML that breaks off, and does what is there."""
    began, counted = tmp_path / "began", tmp_path / "counted"
    script = f"touch {began}; sleep 1; wc -c >{counted}.new; mv {counted}.new {counted}"
    code = (
        f"from pmkvm.run import run; run(['sh', '-c', {script!r}], timeout_s=60, stdin='x' * 10**6)"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], cwd=tree.ROOT)
    assert appears(began)
    caller.kill()
    caller.wait()
    assert appears(counted)
    assert int(counted.read_text()) == 10**6


def appears(path: Path) -> bool:
    """Whether it is there within 60 s."""
    for _ in range(1200):
        if path.exists():
            return True
        time.sleep(0.05)
    return False


def test_much_output_on_both_sides_does_not_block() -> None:
    code = "import sys; sys.stderr.write('e' * 300000); sys.stdout.write('o' * 300000)"
    done = run([sys.executable, "-c", code], timeout_s=60)
    assert (len(done.out), len(done.err)) == (300000, 300000)


def test_the_environment_is_minimal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    monkeypatch.setenv("LD_PRELOAD_OF_SOMEBODY", "x")
    given = run(["/usr/bin/env"], timeout_s=60, environment={"DOMAIN_NAME": "g 1"}).out
    expected = {**settings.CHILD_ENVIRONMENT, "DOMAIN_NAME": "g 1"}
    assert dict(line.split("=", 1) for line in given.splitlines()) == expected


def test_a_program_has_a_session_of_its_own() -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"
    assert run([sys.executable, "-c", code], timeout_s=60).out == "True\n"


def test_a_program_that_can_t_be_started_is_said_in_our_words(tmp_path: Path) -> None:
    with pytest.raises(CommandMissingError, match=r"^/nowhere/tool is not installed$"):
        run(["/nowhere/tool"], timeout_s=60)
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o600)
    with pytest.raises(CommandMissingError, match="is not executable"):
        run([str(script)], timeout_s=60)
    # Without #! it has no interpreter: the kernel says ENOEXEC, a shell would guess.
    script.write_text("exit 0\n")
    script.chmod(0o700)
    with pytest.raises(CommandError, match="Exec format error"):
        run([str(script)], timeout_s=60)


def test_a_timeout_is_both_a_command_error_and_a_deadline_error() -> None:
    with pytest.raises(CommandTimeoutError, match=r"did not end within 0\.1 s") as caught:
        run(["sleep", "3600"], timeout_s=0.1)
    assert isinstance(caught.value, DeadlineError)
    assert children() == []


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("echo $$ >{pids}; exec sleep 3600", 1),
        # Deaf to SIGTERM, with a child that is deaf as well.
        ("trap '' TERM; echo $$ >{pids}; sleep 3600 & echo $! >>{pids}; wait; sleep 3600", 2),
        # Ends at once and leaves a grandchild behind that holds the pipe.
        ("sleep 3600 & echo $! >{pids}; exit 0", 1),
    ],
    ids=["child", "deaf", "grandchild holds the pipe"],
)
def test_at_the_timeout_the_whole_group_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, count: int
) -> None:
    monkeypatch.setattr(module, "TERM_GRACE_S", 0.1)
    pids = tmp_path / "pids"
    pids.touch()
    # More, where the shell has not come up by then.
    for timeout_s in (0.3, 3, 30):
        with pytest.raises(CommandTimeoutError):
            run(["/bin/sh", "-c", script.format(pids=pids)], timeout_s=timeout_s)
        left = pids.read_text().split()
        assert all(died(int(pid)) for pid in left)
        if len(left) == count:
            break
    assert len(left) == count
    assert children() == []


def test_a_service_that_lets_go_of_the_pipes_may_stay(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 3600 </dev/null >/dev/null 2>&1 & echo $! >{pid_file}"
    assert run(["/bin/sh", "-c", script], timeout_s=60).rc == 0
    pid = int(pid_file.read_text())
    os.kill(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)


def test_a_host_without_a_process_to_give_is_an_error_of_its_own() -> None:
    with exhaustion.no_threads(), pytest.raises(CommandExhaustedError) as caught:
        run(["true"], timeout_s=60)
    assert str(caught.value) == "true can't be executed: Resource temporarily unavailable"


@pytest.mark.parametrize("stdin", [None, "text"])
def test_a_moment_without_descriptors_costs_none(stdin: str | None) -> None:
    """However many there are: Popen's own pipes stay open where the next one can't be had."""
    before = exhaustion.descriptors()
    lacked = 0
    for room in range(9):
        with exhaustion.no_descriptors(room):
            try:
                run(["true"], timeout_s=60, stdin=stdin)
            except CommandExhaustedError as error:
                assert str(error) == "true can't be executed: Too many open files"  # noqa: PT017
                lacked += 1
    assert lacked >= 4
    assert exhaustion.descriptors() == before
    assert children() == []


OUT_OF_MEMORY = """\
from pmkvm.errors import CommandExhaustedError
from pmkvm.run import run
MIB = 1 << 20
with exhaustion.no_memory(8 * MIB):
    try:
        run(["head", "-c", str(64 * MIB), "/dev/zero"], timeout_s=30)
    except CommandExhaustedError as error:
        print(error)
print(run(["echo", "goes on"], timeout_s=30).out, end="")
"""


def test_output_for_which_there_is_no_memory_is_an_error_of_its_own() -> None:
    ended = exhaustion.child(OUT_OF_MEMORY)
    assert ended.stdout == "head can't be executed: Out of memory\ngoes on\n", ended.stderr


def test_a_child_that_survives_its_kill_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in the kernel for a file system that hangs; whoever waits for it hangs as well."""
    children: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(module, "TERM_GRACE_S", 0.0)
    monkeypatch.setattr(module, "KILL_S", 0.0)
    monkeypatch.setattr(module, "_signal_group", lambda child, _number: children.append(child))
    with pytest.raises(CommandTimeoutError, match="sleep did not end"):
        run(["sleep", "600"], timeout_s=0.0)
    child = children[0]
    assert child.poll() is None
    child.kill()
    child.wait()
