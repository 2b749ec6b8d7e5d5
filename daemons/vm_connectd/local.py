# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections to the local socket, each known by the process at its other end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os

from daemons.vm_connectd import limits
from pmkvm import process
from pmkvm.errors import reason_of
from pmkvm.peer import Peer, life_at, peer_of
from pmkvm.wire.message import Refused, Report, StatusQuery
from pmkvm.wire.session import Opened, Session
from pmkvm.wire.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Callable, Protocol

    from pmkvm.wire.codec import Expected
    from pmkvm.wire.message import Message
    from pmkvm.wire.session import Event

    class Desk(Protocol):
        """What local connections tell; local_gone comes once and last."""

        def local_received(self, local: Local, message: Message) -> None: ...
        def local_drained(self, local: Local) -> None: ...
        def local_gone(self, local: Local) -> None: ...
        def status(self) -> str: ...


log = logging.getLogger(__name__)

# So many characters of a report in a frame: even if each needs six bytes in JSON it fits.
_REPORT_CHARACTERS = 4096


class Local:
    """A program of this machine that has connected. Only root's get anything."""

    def __init__(self, desk: Desk, expected: Expected, leave: Callable[[Local], None]) -> None:
        self.stream = Stream(
            Session("vm-connectd", expected), self, unsent_limit=limits.LOCAL_UNSENT_BYTES
        )
        self.peer = Peer(0, -1, -1)
        # None: it has ended, or this kernel can't tell.
        self.life: process.Life | None = None
        self._is_told = False
        self.program = ""
        self._desk = desk
        self._leave = leave

    def send(self, message: Message) -> None:
        self.stream.send(message)

    def refuse(self, reason: str) -> None:
        log.warning("%s refused: %s", self, reason)
        self.stream.end(reason, Refused(reason))

    def is_gone(self) -> bool:
        """Whether its process has ended, whether or not its socket's end was read.

        In doubt it has not, as where there is no descriptor to look with, or the kernel can't tell.
        """
        if not self.stream.is_open:
            return True
        try:
            return self._is_told and (self.life is None or not process.is_alive(self.life))
        except OSError:
            return False

    def is_of(self, other: Local) -> bool:
        """Whether it is the same process's, for certain."""
        return self.life is not None and self.life == other.life

    def __str__(self) -> str:
        return f"local program {self.peer.pid} (uid {self.peer.uid})"

    # --- called by the stream

    def received(self, event: Event) -> None:
        if isinstance(event, Opened):
            self._identify()
            self.program = event.program
        elif isinstance(event, StatusQuery):
            self._report()
        else:
            self._desk.local_received(self, event)

    def drained(self) -> None:
        self._desk.local_drained(self)

    def lost(self, reason: str) -> None:
        level = logging.WARNING if self.stream.was_ended else logging.DEBUG
        log.log(level, "%s: connection ended: %s", self, reason)
        self._leave(self)
        self._desk.local_gone(self)

    # --- inner

    def _identify(self) -> None:
        connection = self.stream.socket
        try:
            if connection is not None:
                self.peer = peer_of(connection)
                self._tell_life(connection)
        except OSError as error:
            self.refuse(f"nobody can tell now who you are: {reason_of(error)}")
            return
        if self.peer.uid not in (0, os.geteuid()):
            self.refuse("only root may use this socket")

    def _tell_life(self, connection: socket.socket) -> None:
        """Raises OSError, but not where this kernel can't tell: the user is certain."""
        try:
            self.life = life_at(connection)
            self._is_told = True
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise

    def _report(self) -> None:
        try:
            text = self._desk.status()
        except Exception as error:
            log.exception("the report fails")
            self.refuse(f"vm-connectd can't tell ({type(error).__name__}, see its log)")
            return
        parts = [
            text[at : at + _REPORT_CHARACTERS] for at in range(0, len(text), _REPORT_CHARACTERS)
        ]
        for number, part in enumerate(parts, 1):
            if not self.stream.is_open:
                return
            self.send(Report(part, is_last=number == len(parts)))


class LocalSocket:
    """All connections to it, so many at a time."""

    def __init__(self, desk: Desk, expected: Expected) -> None:
        self._desk = desk
        self._expected = expected
        self._all: set[Local] = set()

    def __len__(self) -> int:
        return len(self._all)

    def accept(self) -> Stream:
        """The protocol of a new connection."""
        local = Local(self._desk, self._expected, self._all.discard)
        self._all.add(local)
        if len(self._all) > limits.LOCAL_CONNECTIONS:
            loop = asyncio.get_running_loop()
            loop.call_soon(local.refuse, f"{limits.LOCAL_CONNECTIONS} programs are connected")
        return local.stream
