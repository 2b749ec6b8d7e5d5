# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams in a loop: bounded, never waiting, and a registration that comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from typing import TYPE_CHECKING

from pmkvm.wire import codec, stream
from pmkvm.wire.message import Answer, Forwarded, Register, Registered, Reply, Request, Sender
from pmkvm.wire.registration import Registration
from pmkvm.wire.session import Event, Opened, Session
from pmkvm.wire.stream import Stream
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Owner:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.reason = ""
        self.drains = 0
        self.ended = asyncio.Event()

    def received(self, event: Event) -> None:
        self.heard.append(event)

    def drained(self) -> None:
        self.drains += 1

    def lost(self, reason: str) -> None:
        self.reason = reason
        self.ended.set()


@contextlib.asynccontextmanager
async def opened(
    meter: Callable[[int], float] | None = None, more: bytes = b""
) -> AsyncIterator[tuple[Owner, Stream, socket.socket]]:
    """A stream and the plain socket at its other end, which has said hello and more."""
    owner = Owner()
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    one = Stream(Session("vm-connectd", codec.FROM_CLIENT), owner, meter)
    await asyncio.get_running_loop().create_unix_connection(lambda: one, sock=ours)
    with theirs:
        theirs.sendall(Session("peer", codec.FROM_CLIENT).greeting() + more)
        await until(lambda: owner.heard)
        yield owner, one, theirs


async def test_a_peer_that_does_not_read_is_not_waited_for_and_then_let_go() -> None:  # L1
    async with opened() as (owner, one, _theirs):
        frames = 0
        while one.is_open:
            one.send(Reply("stonith", "i", "x" * 30000))
            frames += 1
            assert frames < 100
            assert one.unsent <= stream.UNSENT_BYTES
        await owner.ended.wait()
        assert "does not read" in owner.reason
        assert one.is_busy


async def test_who_does_not_take_answers_is_not_read_until_it_does() -> None:
    async with opened() as (owner, one, theirs):
        theirs.setblocking(False)
        while not one.is_busy:
            one.send(Reply("stonith", "i", "x" * 30000))
        theirs.sendall(codec.encode(Request("stonith", "i", 1.0, "x")))
        await asyncio.sleep(0.1)
        assert len(owner.heard) == 1
        while len(owner.heard) < 2:
            try:
                theirs.recv(65536)
            except BlockingIOError:
                await asyncio.sleep(0.005)
        assert owner.drains == 1
        one.end("enough")
        await owner.ended.wait()


async def test_what_comes_too_fast_is_left_unread_for_a_while() -> None:
    waits = [0.0, 0.2]
    loop = asyncio.get_running_loop()
    async with opened(lambda _count: waits.pop(0) if waits else 0.0) as (owner, one, theirs):
        assert len(owner.heard) == 1
        began = loop.time()
        theirs.sendall(codec.encode(Request("stonith", "1", 1.0, "x")))
        await until(lambda: len(owner.heard) == 2)
        theirs.sendall(codec.encode(Request("stonith", "2", 1.0, "x")))
        await until(lambda: len(owner.heard) == 3)
        assert loop.time() - began > 0.1
        one.end("enough")
        await owner.ended.wait()


async def test_a_bad_frame_is_told_and_ends_the_connection() -> None:
    async with opened(more=b"\x00\x00\x00\x02{}") as (owner, _one, theirs):
        await owner.ended.wait()
        assert owner.reason == "a frame without a type"
        assert b'"refused"' in theirs.recv(65536)


SENDER = Sender("u", 1, 2, "d", "r")


class Switchboard:
    """vm-connectd on a host, for one server after the other."""

    def __init__(self) -> None:
        self.registered = 0
        self.answers: list[Answer] = []
        self.current: Stream | None = None

    def accept(self) -> Stream:
        self.current = Stream(Session("vm-connectd", codec.FROM_SERVER), self)
        return self.current

    def received(self, event: Event) -> None:
        assert self.current is not None
        if isinstance(event, Register):
            self.registered += 1
            self.current.send(Registered(event.service))
            request = Forwarded(self.registered, SENDER, "stonith", "i", 5.0, "reset T")
            self.current.send(request)
        elif isinstance(event, Answer):
            self.answers.append(event)
        else:
            assert isinstance(event, Opened)

    def drained(self) -> None: ...

    def lost(self, reason: str) -> None: ...


async def test_a_server_registers_again_when_vm_connectd_is_back() -> None:  # L9
    loop = asyncio.get_running_loop()
    requests: list[Forwarded] = []
    with tempfile.TemporaryDirectory(prefix="stream-") as directory:
        path = f"{directory}/socket"
        one = Registration("stonith", requests.append, program="vm-stonithd", path=path)
        task = loop.create_task(one.run())
        await until(lambda: "No such file" in one.reason)
        board = Switchboard()
        server = await loop.create_unix_server(board.accept, path)
        await until(lambda: len(requests) == 1)
        assert one.is_registered
        assert one.reason == ""
        assert one.reply(requests[0], "OK")
        await until(lambda: board.answers)
        assert board.answers == [Answer(1, "stonith", "i", "OK")]
        assert board.current is not None
        board.current.end("vm-connectd ends")
        await until(lambda: not one.is_registered)
        assert not one.reply(requests[0], "OK")
        await until(lambda: len(requests) == 2)
        assert one.reply(requests[1], "OK")
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: board.current and not board.current.is_open)
        server.close()
