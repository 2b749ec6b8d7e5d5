# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection's state: who begins, what version, what may come. Does no I/O.

Both kinds turn bytes into Opened and messages, and say what to send. Whatever they raise
ends the connection.
"""

from __future__ import annotations

from typing import NamedTuple, Union

from pmkvm.wire import codec
from pmkvm.wire.errors import FrameError, MessageError
from pmkvm.wire.frame import MARKER, Decoder, PortDecoder
from pmkvm.wire.message import Hello, Message, own_hello

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.wire.codec import Expected


class Opened(NamedTuple):
    """The other end has said hello.

    is_new: it knows nothing of what was said before, so that requests must be sent again.
    answers_echo: it may be sent one.
    """

    version: int
    program: str
    is_new: bool
    answers_echo: bool = False


Event = Union[Opened, Message]


class Session:
    """One connection over a unix socket that has programs at both ends."""

    def __init__(self, program: str, expected: Expected) -> None:
        self._program = program
        self._expected = expected
        self._decoder = Decoder()
        self.opened: Opened | None = None

    @property
    def held(self) -> int:
        return self._decoder.held

    @property
    def is_lost(self) -> bool:
        """Whether sense has ended without an error; a socket's stream has no such state."""
        return False

    def greeting(self) -> bytes:
        return codec.encode(own_hello(self._program))

    def take_answer(self) -> bytes:
        """What must be sent before anything else; a socket's session never has it."""
        return b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Raises FrameError and MessageError behind the last good frame."""
        for payload in self._decoder.feed(data):
            message = codec.parse(payload, self._expected)
            if isinstance(message, Hello) == (self.opened is not None):
                raise MessageError("a frame before the hello" if not self.opened else "two hellos")
            if isinstance(message, Hello):
                self.opened = Opened(codec.common_version(message), message.program, is_new=True)
                yield self.opened
            else:
                yield message


class PortSession:
    """One end of a virtio-serial port, whose other end comes and goes without a sign.

    Each end begins with MARKER and hello when it connects; who is greeted so answers with
    MARKER and an answering hello, which is not answered again.
    """

    def __init__(self, program: str, expected: Expected, *, answers_echo: bool = False) -> None:
        self._program = program
        self._answers_echo = answers_echo
        self._expected = expected
        self._decoder = PortDecoder()
        self._is_begun = False
        self._answer = b""
        self.opened: Opened | None = None

    @property
    def held(self) -> int:
        return self._decoder.held

    @property
    def discarded(self) -> int:
        return self._decoder.discarded

    @property
    def is_lost(self) -> bool:
        """Whether a session broke off in mid-frame, and the next has not begun yet."""
        return self.opened is not None and not self._decoder.synchronised

    def greeting(self) -> bytes:
        """Begin anew: what comes until the other end begins anew, too, is thrown away."""
        self.close()
        return self._hello(is_answer=False)

    def close(self) -> None:
        """The other end is gone, or what it says has become senseless."""
        self._decoder.lose()
        self._is_begun = False
        self._answer = b""
        self.opened = None

    def take_answer(self) -> bytes:
        answer, self._answer = self._answer, b""
        return answer

    def feed(self, data: bytes) -> Iterator[Event]:
        """Raises FrameError and MessageError behind the last good frame; close() then."""
        for payload in self._decoder.feed(data):
            if payload is None:
                self._is_begun = True
            elif self._is_begun:
                yield self._begin(payload)
            else:
                yield self._next(payload)

    def _hello(self, *, is_answer: bool) -> bytes:
        echo = self._answers_echo
        return MARKER + codec.encode(
            own_hello(self._program, is_answer=is_answer, answers_echo=echo)
        )

    def _begin(self, payload: bytes) -> Opened:
        hello = codec.parse(payload, {"hello": self._expected["hello"]})
        if not isinstance(hello, Hello):
            raise MessageError("a frame before the hello")
        version = codec.common_version(hello)
        self._is_begun = False
        is_new = not hello.is_answer or self.opened is None
        if not hello.is_answer:
            self._answer = self._hello(is_answer=True)
        self.opened = Opened(version, hello.program, is_new, hello.answers_echo)
        return self.opened

    def _next(self, payload: bytes) -> Message:
        message = codec.parse(payload, self._expected)
        if isinstance(message, Hello):
            raise MessageError("two hellos")
        if self.opened is None:
            raise FrameError("a frame outside a session")
        return message
