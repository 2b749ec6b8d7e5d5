# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon after a moment without threads, memory or descriptors: as before or ended, not deaf."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
from typing import TYPE_CHECKING

import pytest

from pmkvm.errors import DeadlineError, ExhaustedError, HaError
from pmkvm.service import loop
from pmkvm.service.notify import notify
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit import exhaustion
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from pmkvm.service.loop import Service

LIMIT = 2
MANY = 20


def fail(error: Exception) -> None:
    raise error


async def test_a_call_without_a_thread_has_an_error_of_its_own_and_takes_no_place() -> None:
    calls = ThreadCalls(LIMIT)
    with exhaustion.no_threads():
        for _ in range(MANY):
            with pytest.raises(ExhaustedError) as caught:
                await calls.call("looking", lambda: 1, 5)
    assert str(caught.value) == "no thread can be started for looking"
    assert isinstance(caught.value, (DeadlineError, HaError))
    assert calls.hanging == []
    assert calls.complaint == ""
    assert await calls.call("looking", lambda: 1, 5) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "Out of memory while looking"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files while looking"),
        (OSError(errno.EAGAIN, "Try again"), "Try again while looking"),
    ],
)
async def test_what_a_call_lacks_is_one_kind_of_error(error: Exception, text: str) -> None:
    with pytest.raises(ExhaustedError) as caught:
        await ThreadCalls(LIMIT).call("looking", lambda: fail(error), 5)
    assert str(caught.value) == text


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no"), ValueError("no")])
async def test_any_other_error_of_a_call_is_what_it_was(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await ThreadCalls(LIMIT).call("looking", lambda: fail(error), 5)
    assert caught.value is error


async def test_calls_one_after_the_other_find_a_place_each() -> None:
    calls = ThreadCalls(1)
    for number in range(500):
        assert await calls.call("counting", lambda n=number: n, 5) == number  # type: ignore[misc]


def test_nobody_is_told_of_what_a_call_that_was_given_up_ends_with() -> None:
    complaints: list[dict[str, object]] = []
    error = ValueError("nobody hears this")

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
        calls = ThreadCalls(LIMIT)
        tasks = [
            asyncio.ensure_future(calls.call("failing", lambda: fail(error), 5))
            for _ in range(LIMIT)
        ]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: not calls.hanging)
        await asyncio.sleep(0.01)
        gc.collect()

    asyncio.run(work())
    assert complaints == []


# Asks all the time, first without and then with memory.
LITTLE_MEMORY = """\
import asyncio
from pmkvm.errors import HaError
from pmkvm.service.thread_calls import ThreadCalls

async def main():
    calls, lacked = ThreadCalls(4), 0
    with exhaustion.no_memory(0):
        for _ in range(200):
            try:
                await calls.call("filling", lambda: bytearray(4 << 20), 1)
            except HaError:
                lacked += 1
    for _ in range(3000):
        if not calls.hanging:
            break
        await asyncio.sleep(0.01)
    return lacked, calls.hanging, await calls.call("adding", lambda: 1 + 1, 30)

lacked, hanging, done = asyncio.run(main())
assert lacked, "there was memory"
assert (hanging, done) == ([], 2), (hanging, done)
"""


def test_a_moment_without_memory_takes_no_place_for_good() -> None:
    ended = exhaustion.child(LITTLE_MEMORY)
    assert ended.returncode == 0, ended.stderr


# A supervised task fails while there is no descriptor to tell the supervisor with.
FAILS = """\
import sys
from pmkvm.service import log, loop
log.set_up("d")

lack = exhaustion.no_descriptors()

async def watch():
    lack.__enter__()
    raise {error}

async def start(service):
    service.supervise("the watch", watch())

sys.exit(loop.run(start))
"""


@pytest.mark.parametrize("error", ["OSError(24, 'Too many open files')", "MemoryError()"])
def test_a_daemon_that_fails_without_descriptors_ends(tmp_path: Path, error: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        code = FAILS.format(error=error)
        ended = exhaustion.child(code, environment=environment)
    assert ended.returncode == 1
    assert "the watch failed" in ended.stderr


def test_nobody_can_be_told_without_a_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with exhaustion.no_descriptors(), pytest.raises(ExhaustedError, match="Too many open files"):
        notify("READY=1")


def test_that_a_daemon_is_ready_is_told_as_soon_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "READY_AGAIN_S", 0.01)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    async def start(service: Service) -> None:
        with exhaustion.no_descriptors():
            service.ready()
            assert "not told that this is ready: Too many open files" in caplog.text
        await until(lambda: supervisor_hears(supervisor) == b"READY=1")
        service.stop("enough")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.setblocking(False)
        assert loop.run(start) == 0


def supervisor_hears(supervisor: socket.socket) -> bytes:
    try:
        return supervisor.recv(100)
    except BlockingIOError:
        return b""


def test_a_callback_that_finds_no_memory_ends_the_daemon() -> None:
    """What it leaves undone nobody knows."""

    async def start(service: Service) -> None:
        running = asyncio.get_running_loop()
        running.call_soon(fail, MemoryError())
        running.call_later(5.0, service.stop, "deaf")

    assert loop.run(start) == 1


def test_connections_are_taken_again_after_a_moment_without_descriptors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "socket")

    async def start(service: Service) -> None:
        running = asyncio.get_running_loop()
        server = await running.create_unix_server(Greeting, path)
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            with exhaustion.no_descriptors():
                await running.sock_connect(client, path)
                await asyncio.sleep(0.2)
            assert await asyncio.wait_for(running.sock_recv(client, 10), 10) == b"hello"
        server.close()
        service.stop("enough")

    assert loop.run(start) == 0
    lines = [each for each in caplog.records if "out of system resource" in each.getMessage()]
    assert lines
    assert all(each.exc_info is None for each in lines)


class Greeting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"hello")


def test_this_module_leaves_its_process_as_it_was() -> None:
    assert os.getresuid() == (os.geteuid(),) * 3
    assert exhaustion.child("print('started')").stdout == "started\n"
