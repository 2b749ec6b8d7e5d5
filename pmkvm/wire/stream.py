# SPDX-License-Identifier: GPL-2.0-or-later
"""A session over a socket in an asyncio loop: nothing blocks, and what is unsent is bounded."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from typing import Callable, Union, cast

from pmkvm.wire import codec
from pmkvm.wire.errors import WireError
from pmkvm.wire.message import Refused
from pmkvm.wire.session import Event, PortSession, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    Meter = Callable[[int], float]
    Turn = Callable[[Callable[[], None]], None]

    from pmkvm.wire.message import Message

    class Owner(Protocol):
        """Who hears what its stream has to say; lost() comes once and last."""

        def received(self, event: Event) -> None: ...
        def drained(self) -> None: ...
        def lost(self, reason: str) -> None: ...


log = logging.getLogger(__name__)

UNSENT_BYTES = 262144
# Above this much unsent nothing is read any more: who asks must also take the answers.
BUSY_BYTES = 32768

# So much is read of one connection before the others have their turn. All share the buffer: what
# is in it is taken out at once.
_BUFFER = bytearray(8192)

# The rest of a broken frame, and the marker behind it, arrive together.
RESYNCHRONISE_S = 5.0

# Why nothing is read for a while.
_TURN = "its turn"

AnySession = Union[Session, PortSession]


class Stream(asyncio.BufferedProtocol):
    """One connection. Its owner is told of events, and of its end with the reason."""

    def __init__(
        self,
        session: AnySession,
        owner: Owner,
        meter: Meter | None = None,
        unsent_limit: int = UNSENT_BYTES,
        turn: Turn | None = None,
    ) -> None:
        """meter is told how much was read, and says how long to leave the rest unread. turn does
        what it is given when it is due; nothing more is read before."""
        self._unsent_limit = unsent_limit
        self.session = session
        self.is_busy = False
        self.frames_in = 0
        self.frames_out = 0
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self._failure = ""
        self._meter = meter
        self._turn = turn
        self._paused_for: set[str] = set()

    @property
    def was_ended(self) -> bool:
        """Whether it was this end that ended it."""
        return bool(self._reason)

    @property
    def unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport else 0

    @property
    def socket(self) -> socket.socket | None:
        """To ask the kernel about the other end, not to read or write."""
        return self._transport.get_extra_info("socket") if self._transport else None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, message: Message) -> None:
        """Hand it over, now or later. Too much unsent ends the connection."""
        self._write(codec.encode(message))
        self.frames_out += 1

    def end(self, reason: str, last: Message | None = None) -> None:
        """End the connection; last is sent if the other end takes it at once."""
        if self._transport is None or self._transport.is_closing():
            return
        self._reason = self._reason or reason
        if last is not None and not self.unsent:
            self._transport.write(codec.encode(last))
        if self.unsent:
            # Nobody waits for somebody who does not read.
            self._transport.abort()
        else:
            self._transport.close()

    def pause(self, why: str) -> None:
        """Read nothing until every reason for that is gone."""
        self._paused_for.add(why)
        if self._transport is not None and len(self._paused_for) == 1:
            self._transport.pause_reading()

    def resume(self, why: str) -> None:
        was_paused = bool(self._paused_for)
        self._paused_for.discard(why)
        if self._transport is not None and was_paused and not self._paused_for and self.is_open:
            self._transport.resume_reading()

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(BUSY_BYTES)
        self._write(self.session.greeting())

    def get_buffer(self, _size: int) -> bytearray:
        return _BUFFER

    def buffer_updated(self, count: int) -> None:
        self._measure(count)
        data = bytes(_BUFFER[:count])
        if self._turn is None:
            self._take(data)
        else:
            self.pause(_TURN)
            self._turn(partial(self._take_in_turn, data))

    def _take_in_turn(self, data: bytes) -> None:
        if not self.is_open:
            return
        try:
            self._take(data)
        except Exception as error:  # noqa: BLE001 - as asyncio does where it calls a protocol itself
            self._fail(error)
        self.resume(_TURN)

    def _fail(self, error: Exception) -> None:
        """An error of ours ends this connection, and nothing else."""
        self._failure = str(error) or type(error).__name__
        context = {"message": "what was read can't be taken", "exception": error, "protocol": self}
        asyncio.get_running_loop().call_exception_handler(context)
        if self._transport is not None:
            self._transport.abort()

    def _take(self, data: bytes) -> None:
        try:
            for event in self.session.feed(data):
                answer = self.session.take_answer()
                if answer:
                    self._write(answer)
                self.frames_in += 1
                if self.is_open:
                    self._owner.received(event)
                if not self.is_open:
                    return
        except WireError as error:
            is_local = isinstance(self.session, Session)
            self.end(str(error), Refused(str(error)) if is_local else None)
        if self.session.is_lost and self.is_open:
            asyncio.get_running_loop().call_later(RESYNCHRONISE_S, self._check_lost)

    def _measure(self, count: int) -> None:
        wait_s = self._meter(count) if self._meter else 0.0
        if wait_s > 0:
            self.pause("too much at a time")
            loop = asyncio.get_running_loop()
            loop.call_later(wait_s, self.resume, "too much at a time")

    def _check_lost(self) -> None:
        if self.session.is_lost:
            self.end("what it says is neither a frame nor the remains of one")

    def pause_writing(self) -> None:
        self.is_busy = True
        self.pause("unsent")

    def resume_writing(self) -> None:
        self.is_busy = False
        self.resume("unsent")
        self._owner.drained()

    def connection_lost(self, error: Exception | None) -> None:
        told = str(error) if error else self._failure or "the other end closed it"
        reason = self._reason or told
        self._transport = None
        self._owner.lost(reason)

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self.unsent + len(data) > self._unsent_limit:
            self.end(f"it does not read: {self.unsent} bytes wait")
            return
        self._transport.write(data)


async def connect(path: str, make: Callable[[], Stream]) -> None:
    """Carry over a connection to a unix socket the stream that is made once it stands.

    Raises OSError. Connecting to a unix socket never waits: a full backlog is an error.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.setblocking(False)
        connection.connect(path)
        await carry(connection, make())
    except BaseException:
        connection.close()
        raise


async def carry(connection: socket.socket, stream: Stream) -> None:
    """Over a connection that stands. Raises OSError; the connection stays the caller's then."""
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: stream, sock=connection)
