# SPDX-License-Identifier: GPL-2.0-or-later
"""The blocking client against a vm-connectd played by hand, and vm-connect's exit codes."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from typing import TYPE_CHECKING, Callable

import pytest

from daemons import vm_connect
from pmkvm.deadline import Deadline
from pmkvm.peer import peer_of
from pmkvm.wire import client, codec
from pmkvm.wire.errors import (
    MessageError,
    NoAnswerError,
    NotRunningError,
    RefusedError,
    UnavailableError,
    WireError,
)
from pmkvm.wire.message import Message, Refused, Reply, Report, Request, StatusQuery, Unavailable
from pmkvm.wire.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    Play = Callable[[socket.socket, Request], None]


class Daemon:
    """Takes one connection, greets, reads a request, and plays the given part."""

    def __init__(self, path: str, play: Play) -> None:
        self.path = path
        self.requests: list[Request] = []
        self._play = play
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(1)
        self._listening.settimeout(10)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _address = self._listening.accept()
        with connection:
            connection.settimeout(10)
            session = Session("vm-connectd", codec.FROM_CLIENT)
            connection.sendall(session.greeting())
            while not self.requests:
                data = connection.recv(65536)
                if not data:
                    return
                for event in session.feed(data):
                    if isinstance(event, Request):
                        self.requests.append(event)
            self._play(connection, self.requests[0])

    def close(self) -> None:
        self._thread.join(10)
        self._listening.close()


@pytest.fixture
def play() -> Iterator[Callable[[Play], Daemon]]:
    with tempfile.TemporaryDirectory(prefix="client-") as directory:
        daemons: list[Daemon] = []

        def begin(part: Play) -> Daemon:
            daemons.append(Daemon(f"{directory}/socket", part))
            return daemons[-1]

        yield begin
        for each in daemons:
            each.close()


def answers(*messages: Callable[[Request], Message]) -> Play:
    def part(connection: socket.socket, request: Request) -> None:
        for each in messages:
            connection.sendall(codec.encode(each(request)))

    return part


def ok(request: Request) -> Message:
    return Reply(request.service, request.id, "OK")


def another(request: Request) -> Message:
    return Reply(request.service, f"{request.id}-not", "OK to somebody else")


def test_the_reply_to_ones_own_id_is_what_counts(play: Callable[[Play], Daemon]) -> None:
    daemon = play(answers(another, ok))
    deadline = Deadline(60)
    assert client.ask("stonith", "x", deadline, request_id="i", path=daemon.path) == "OK"
    (request,) = daemon.requests
    assert (request.id, request.body) == ("i", "x")
    assert 30 < request.seconds <= 60


@pytest.mark.parametrize(
    ("part", "error", "text", "rc"),
    [
        (answers(lambda r: Unavailable(r.service, r.id, "no server")), UnavailableError, "no s", 2),
        (answers(lambda _r: Refused("not you")), RefusedError, "not you", 1),
        (answers(another), NotRunningError, "ended the connection", 1),
        (lambda c, _r: c.sendall(b"\xff" * 8), WireError, "not understood", 1),
        (lambda c, _r: c.sendall(codec.encode(StatusQuery())), WireError, "not expected", 1),
        (lambda c, _r: c.recv(1), NoAnswerError, "no answer", 1),
    ],
)
def test_each_failure_has_its_own_error_and_exit_code(  # L2
    play: Callable[[Play], Daemon],
    capsys: pytest.CaptureFixture[str],
    part: Play,
    error: type[WireError],
    text: str,
    rc: int,
) -> None:
    # Of one who says nothing and waits for the other's end.
    seconds = 0.5 if error is NoAnswerError else 30
    daemon = play(part)
    with pytest.raises(error, match=text):
        client.ask("stonith", "x", Deadline(seconds), path=daemon.path)
    daemon.close()
    os.unlink(daemon.path)
    daemon = play(part)
    time_s = ("--timeout", str(seconds))
    arguments = ["-t", "stonith", "-r", "x", *time_s, "--socket", daemon.path]
    assert vm_connect.main(arguments) == rc
    assert capsys.readouterr().err.startswith("vm-connect: ")


def test_vm_connect_prints_what_it_gets_and_does_not_judge_it(
    play: Callable[[Play], Daemon], capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = play(answers(lambda r: Reply(r.service, r.id, "NG unknown resource")))
    arguments = ["-t", "stonith", "-i", "my-id", "-r", "reset T", "--socket", daemon.path]
    assert vm_connect.main(arguments) == 0
    assert capsys.readouterr().out == "NG unknown resource\n"
    assert daemon.requests[0].id == "my-id"


def test_vm_connect_sends_only(play: Callable[[Play], Daemon]) -> None:
    daemon = play(lambda _connection, _request: None)
    assert vm_connect.main(["-t", "monitor", "-R", "a b", "--socket", daemon.path]) == 0
    daemon.close()
    assert daemon.requests[0].body == "a b"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-t", "stonith"],
        ["-t", "x", "-r", "a"],
        ["-t", "stonith", "-r", "a", "-R", "b"],
        ["-t", "stonith", "-r", "a", "--timeout", "0"],
        ["-t", "stonith", "-r", "a", "--timeout", "soon"],
    ],
)
def test_vm_connect_ends_with_1_for_a_bad_command_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        vm_connect.main(arguments)
    assert ended.value.code == 1


def test_a_request_that_can_not_be_sent_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotRunningError, match="/nowhere"):
        client.ask("stonith", "x", Deadline(1), path="/nowhere")
    with pytest.raises(MessageError):
        codec.request("stonith", "i", 1.0, "a\x00b")
    assert vm_connect.main(["-q", "-t", "stonith", "-r", "x", "--socket", "/nowhere"]) == 1
    assert capsys.readouterr().err == ""


def test_the_kernel_names_the_peer() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_of(one) == (os.getpid(), os.geteuid(), os.getegid())


def test_a_report_without_an_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_LONGEST_REPORT", 3 * 4096)
    parts = 8 * codec.encode(Report("x" * 4096, is_last=False))

    def tell() -> None:
        connection, _address = listening.accept()
        with connection:
            connection.sendall(Session("vm-connectd", codec.FROM_CLIENT).greeting() + parts)
            # Until the client has had enough of it.
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(65536):
                    pass

    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}/s")
        listening.listen(1)
        telling = threading.Thread(target=tell, daemon=True)
        telling.start()
        with pytest.raises(WireError, match="has no end"):
            client.status(Deadline(10), path=f"{directory}/s")
        telling.join(10)
