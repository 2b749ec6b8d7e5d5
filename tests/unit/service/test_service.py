# SPDX-License-Identifier: GPL-2.0-or-later
"""What daemons share: their life, their log, their socket, their calls that block."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from pmkvm.errors import DeadlineError, HaError
from pmkvm.service import log, loop
from pmkvm.service.log import DescriptorHandler, LineFormatter, SyslogHandler
from pmkvm.service.notify import notify
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from pmkvm.service.loop import Service


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_supervisor_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_abstract: bool
) -> None:
    name = f"pmkvm-test-{os.getpid()}" if is_abstract else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(f"\0{name}" if is_abstract else name)
        supervisor.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if is_abstract else name)
        assert notify("READY=1")
        assert supervisor.recv(100) == b"READY=1"


def test_a_supervisor_that_is_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    assert not notify("READY=1")


def record(
    text: str, level: int = logging.WARNING, error: Exception | None = None
) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("x", level, "f", 1, text, None, info)


def test_each_line_has_its_priority_and_no_line_is_forged() -> None:
    formatter = LineFormatter("d", is_journal=True)
    assert formatter.format(record("a\n<0>b\x1b")) == "<4>a\\x0a<0>b\\x1b"
    assert formatter.format(record("a", logging.ERROR, ValueError("x\ny"))).splitlines() == [
        "<3>a",
        "<3>ValueError: x",
        "<3>y",
    ]
    plain = LineFormatter("d", is_journal=False, clock=lambda: 0.25)
    assert plain.format(record("a")).endswith(f":00.250 d[{os.getpid()}] warning: a")


def test_a_reader_of_the_log_that_has_stopped_stops_nobody() -> None:
    reading, writing = os.pipe()
    handler = DescriptorHandler(writing)
    handler.setFormatter(LineFormatter("d", is_journal=True))
    for _ in range(2000):
        handler.emit(record("x" * 500))
    assert handler.dropped > 1000
    while len(os.read(reading, 65536)) == 65536:
        pass
    handler.emit(record("last"))
    assert b"last (" in os.read(reading, 65536)
    os.close(reading)
    os.close(writing)


def test_syslog_gets_one_line_and_stops_nobody(tmp_path: Path) -> None:
    address = str(tmp_path / "log")
    early = SyslogHandler("d", address)
    early.emit(record("nobody listens"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(address)
        early.emit(record("a\n<0>b", error=ValueError("x\ny")))
        text = syslog.recv(1000).rstrip(b"\0").decode()
        assert text == f"<28>d[{os.getpid()}]: a\\x0a<0>b | ValueError: x | y"
        for _ in range(2000):
            early.emit(record("x" * 500))
        assert len(syslog.recv(1000)) > 500
    early.emit(record("gone"))
    early.close()


def test_stderr_is_the_journal_only_if_it_is_that_very_stream(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with open(tmp_path / "file", "wb") as file:
        found = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert log._is_journal(file.fileno())
        # What a service's child inherits, whose stderr is another file.
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino + 1}")
        assert not log._is_journal(file.fileno())


def test_a_signal_ends_a_daemon_with_0_and_cancels_its_tasks() -> None:
    ended = []

    async def task() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def start(service: Service) -> None:
        service.supervise("a task", task())
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)

    assert loop.run(start) == 0
    assert ended == [True]


@pytest.mark.parametrize("error", [HaError("told"), ValueError("not told")])
def test_a_task_that_fails_ends_the_daemon_with_1(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def task() -> None:
        raise error

    async def start(service: Service) -> None:
        service.supervise("the watch", task())

    assert loop.run(start) == 1
    assert "the watch failed" in caplog.text
    assert ("Traceback" in caplog.text) is isinstance(error, ValueError)


def test_an_error_in_a_callback_is_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def start(service: Service) -> None:
        running = asyncio.get_running_loop()
        running.call_soon(lambda: 1 // 0)
        running.call_later(0.05, service.stop, "enough")

    assert loop.run(start) == 0
    assert "ZeroDivisionError" in caplog.text


async def test_a_call_that_hangs_is_left_behind_and_there_are_only_so_many() -> None:
    release = threading.Event()
    calls = ThreadCalls(2)
    assert await calls.call("adding", lambda: 1 + 1, 5) == 2
    with pytest.raises(ValueError, match="no"):
        await calls.call("failing", lambda: int("no"), 5)
    for _ in range(2):
        with pytest.raises(DeadlineError, match="out of time while hanging"):
            await calls.call("hanging", release.wait, 0.05)
    with pytest.raises(DeadlineError, match="2 calls hang already, the first while hanging"):
        await calls.call("adding", lambda: 1 + 1, 5)
    assert calls.hanging == ["hanging", "hanging"]
    release.set()
    await until(lambda: not calls.hanging)
    assert await calls.call("adding", lambda: 1 + 1, 5) == 2
