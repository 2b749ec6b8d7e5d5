# SPDX-License-Identifier: GPL-2.0-or-later
"""Sending, sending again, and what is said of it, against a vm-connectd on a socket."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.wire.message import Refused
from stonith.plugin.answer import Answer
from stonith.plugin.journal import Journal
from stonith.plugin.parameters import Entry
from stonith.vm_stonith import request
from tests.unit.stonith.connectd import Connectd, unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from stonith.plugin.answer import Operation
    from tests.unit.stonith.connectd import Said

TOKEN = "U2FsdGVkX19OO1zVKCGneLBCaGTaGLZ7gLQiNnpLxRAcmJUOjnZrYg=="
GUEST2 = Entry("guest2", TOKEN)


class Output:
    """What one run writes: to stderr, and to the log, which is a file here."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "log"
        self._file.touch()
        self._stderr = io.StringIO()
        env = {"HA_LOGFACILITY": "none", "HA_LOGFILE": str(self._file)}
        self.journal = Journal("fence_vm_stonith", env, self._stderr, is_verbose=True)

    @property
    def log(self) -> list[str]:
        return self._file.read_text(encoding="utf-8").splitlines()

    @property
    def stderr(self) -> str:
        return self._stderr.getvalue()


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path)


def fence(output: Output, seconds: float = 60, operation: Operation = "reset") -> Answer:
    return request.fence(operation, GUEST2, Deadline(seconds), output.journal)


def test_a_request_has_the_token_and_an_id_and_its_line_the_id_alone(
    run_dir: Path, output: Output
) -> None:
    with Connectd(run_dir, lambda _: "OK") as connectd:
        assert fence(output).is_ok
        (sent,) = connectd.requests
    assert sent.service == "stonith"
    assert sent.body == f"reset {TOKEN}"
    assert re.fullmatch("[0-9a-f]{32}", sent.id)
    assert 30 < sent.seconds <= 60
    (line,) = output.log
    digits = hashlib.sha256(sent.id.encode()).hexdigest()[:16]
    assert re.search(rf"INFO: {digits} \S+ reset guest2: OK \(\d+ ms, request {sent.id}\)$", line)
    assert TOKEN not in output.log[0] + output.stderr


def test_a_refusal_is_final_and_logged_as_an_error(run_dir: Path, output: Output) -> None:
    with Connectd(run_dir, lambda _: "NG you are being fenced") as connectd:
        got = fence(output)
        assert len(connectd.requests) == 1
    assert got == Answer(is_ok=False, reason="NG you are being fenced")
    (line,) = output.log
    assert "ERROR: " in line
    assert "guest2: NG you are being fenced (" in line


@pytest.mark.parametrize(
    "first", [unavailable("no server for stonith is registered on the host"), Refused("not now")]
)
def test_what_nobody_has_taken_is_sent_again_under_the_same_id(
    run_dir: Path, output: Output, first: Said
) -> None:
    said = [first, "OK"]
    with Connectd(run_dir, lambda _: said.pop(0)) as connectd:
        assert fence(output).is_ok
        one, two = connectd.requests
    assert one.id == two.id
    assert one.body == two.body
    assert two.seconds < one.seconds - 0.9
    assert len(output.log) == 1
    assert "trying again" in output.stderr


def test_a_vm_connectd_that_comes_late_is_waited_for(run_dir: Path, output: Output) -> None:
    got: list[Answer] = []
    thread = threading.Thread(target=lambda: got.append(fence(output)))
    thread.start()
    time.sleep(0.3)
    with Connectd(run_dir, lambda _: "OK"):
        thread.join()
    assert got == [Answer(is_ok=True)]


def test_without_a_vm_connectd_it_ends_at_the_deadline(
    run_dir: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("pmkvm.deadline.sleep", slept.append)
    got = request.fence("reset", GUEST2, Deadline(3.5, lambda: sum(slept)), output.journal)
    assert sum(slept) == 3.5
    assert not got.is_ok
    assert "vm-connectd does not run here" in got.reason
    assert str(run_dir) in got.reason


def test_a_host_that_is_silent_ends_it_soon_after_the_deadline(
    run_dir: Path, output: Output
) -> None:
    began = time.monotonic()
    with Connectd(run_dir, lambda _: None):
        got = fence(output, seconds=0.3)
    assert 0.3 + request.WAY_BACK_S <= time.monotonic() - began < 30
    assert not got.is_ok
    assert "no answer" in got.reason


def test_an_answer_that_was_on_its_way_at_the_deadline_is_taken(
    run_dir: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "WAY_BACK_S", 30.0)
    deadline = Deadline(2)

    def late(_: object) -> str:
        while not deadline.expired():
            deadline.pause(0.1)
        return "NG killed, not proven on host2"

    with Connectd(run_dir, late):
        got = request.fence("reset", GUEST2, deadline, output.journal)
    assert got.reason == "NG killed, not proven on host2"


def test_status_of_a_token_is_no_line_in_the_log(run_dir: Path, output: Output) -> None:
    with Connectd(run_dir, lambda _: "OK off") as connectd:
        got = request.ask("status", GUEST2, Deadline(5), output.journal)
        assert connectd.bodies == [f"status {TOKEN}"]
    assert got == Answer(is_ok=True, power="off")
    assert output.log == []


def test_no_two_runs_have_one_id(run_dir: Path, output: Output) -> None:
    with Connectd(run_dir, lambda _: "OK") as connectd:
        for _ in range(3):
            fence(output)
        assert len({sent.id for sent in connectd.requests}) == 3
