# SPDX-License-Identifier: GPL-2.0-or-later
"""A real child that opens real files; a pipe without a writer is a file that does not answer."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from pmkvm import knock
from pmkvm.deadline import Deadline
from pmkvm.knock import require_answer
from tests.unit import exhaustion

# A busy machine may take long to run the child.
PATIENT_S, SOON_S = 120.0, 0.2


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return str(path)


def test_a_file_answers(tmp_path: Path) -> None:
    path = tmp_path / "-n"
    path.write_text("text")
    require_answer(str(path), Deadline(PATIENT_S))


def test_an_error_is_an_answer(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / "none" / "none"):
        require_answer(str(path), Deadline(PATIENT_S))


def test_who_says_nothing_is_left_by_the_deadline(
    pipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setattr(knock, "_leave", left.append)
    with pytest.raises(OSError, match="does not answer in time") as error:
        require_answer(pipe, Deadline(SOON_S))
    assert (error.value.errno, error.value.filename) == (errno.ETIMEDOUT, pipe)
    monkeypatch.undo()
    (child,) = left
    # In a session of its own: nothing that is sent to our group reaches it, nor us by it.
    assert os.getsid(child) == child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_where_a_signal_reaches_it_nothing_is_left(pipe: str) -> None:
    with pytest.raises(OSError, match="does not answer in time"):
        require_answer(pipe, Deadline(SOON_S))
    deadline = Deadline(PATIENT_S)
    # As a rule it is reaped by then; a busy machine may take longer.
    while Path("/proc/thread-self/children").read_text(encoding="ascii").strip():
        deadline.check("waiting for the child's end")
        os.waitpid(-1, os.WNOHANG)


def test_without_a_process_for_it_nothing_is_found_out(pipe: str) -> None:
    with exhaustion.no_threads():
        require_answer(pipe, Deadline(PATIENT_S))


def test_without_the_program_nothing_is_found_out(
    pipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knock, "_PROGRAM", "/nowhere/head")
    require_answer(pipe, Deadline(PATIENT_S))
