# SPDX-License-Identifier: GPL-2.0-or-later
"""A program's way to vm-connectd: blocking, with a deadline, on the standard library's socket.

For vm-connect and the fencing plugins, in a guest; `vm-connectd --status` uses it too.
"""

from __future__ import annotations

import os
import socket

from pmkvm import settings
from pmkvm.wire import codec
from pmkvm.wire.errors import (
    FrameError,
    MessageError,
    NoAnswerError,
    NotRunningError,
    RefusedError,
    UnavailableError,
    WireError,
)
from pmkvm.wire.message import Refused, Reply, Report, StatusQuery, Unavailable
from pmkvm.wire.session import Opened, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.deadline import Deadline
    from pmkvm.wire.codec import Expected
    from pmkvm.wire.message import Message, Request
    from pmkvm.wire.session import Event

_READ_BYTES = 65536
_RANDOM_BYTES = 16
# Of a report: a guest's part has less than 1 KiB.
_LONGEST_REPORT = 4 << 20


class Connection:
    """A connection to the vm-connectd of this machine, for a with statement.

    Entering raises NotRunningError. All it does ends at the deadline, by NoAnswerError.
    """

    def __init__(
        self,
        deadline: Deadline,
        *,
        program: str = "vm-connect",
        path: str | None = None,
        expected: Expected = codec.FROM_GUEST_CONNECTD,
    ) -> None:
        self._deadline = deadline
        self._path = path or settings.connectd_socket()
        self._session = Session(program, expected)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Connection:
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            # Nobody has been asked, so whoever asks tries again.
            raise NotRunningError(f"vm-connectd can't be reached: {error.strerror}") from error
        try:
            self._wait(self._socket)
            self._socket.connect(self._path)
        except OSError as error:
            self._socket.close()
            # A full backlog is EAGAIN at once: the daemon is there and takes no connections.
            if isinstance(error, (TimeoutError, socket.timeout, BlockingIOError)):
                raise NoAnswerError(f"vm-connectd does not take connections: {error}") from error
            if isinstance(error, PermissionError):
                raise NotRunningError(f"only root may ask vm-connectd ({self._path})") from error
            raise NotRunningError(
                f"vm-connectd does not run here: {self._path}: {error.strerror}"
            ) from error
        except BaseException:
            self._socket.close()
            raise
        self._send_bytes(self._session.greeting())
        return self

    def __exit__(self, *_error: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def send(self, message: Message) -> None:
        self._send_bytes(codec.encode(message))

    def events(self) -> Iterator[Event]:
        """All that comes, until the deadline. Raises RefusedError if that is what comes."""
        while True:
            data = self._read()
            if not data:
                raise NotRunningError("vm-connectd ended the connection")
            try:
                for event in self._session.feed(data):
                    if isinstance(event, Refused):
                        raise RefusedError(event.reason)
                    yield event
            except (FrameError, MessageError) as error:
                raise WireError(f"vm-connectd is not understood: {error}") from error

    def ask(self, request: Request) -> str:
        """The body of its reply, whatever that says. Raises UnavailableError."""
        self.send(request)
        for event in self.events():
            if not isinstance(event, (Reply, Unavailable)):
                continue
            if (event.service, event.id) != (request.service, request.id):
                continue
            if isinstance(event, Unavailable):
                raise UnavailableError(event.reason)
            return event.body
        raise NotRunningError("vm-connectd ended the connection")

    def wait_open(self) -> None:
        """Until vm-connectd has said hello, so that it has taken what was sent before."""
        for event in self.events():
            if isinstance(event, Opened):
                return

    def _send_bytes(self, data: bytes) -> None:
        try:
            self._wait(self._open()).sendall(data)
        except socket.timeout as error:
            raise NoAnswerError("vm-connectd does not read") from error
        except (BrokenPipeError, ConnectionResetError):
            # It refused us; the reason is there to be read.
            return

    def _read(self) -> bytes:
        try:
            return self._wait(self._open()).recv(_READ_BYTES)
        except socket.timeout as error:
            raise NoAnswerError("no answer in the time given") from error
        except ConnectionResetError:
            return b""

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise ValueError("a connection is used in a with statement")
        return self._socket

    def _wait(self, connection: socket.socket) -> socket.socket:
        remaining = self._deadline.remaining()
        if not remaining:
            raise NoAnswerError("no answer in the time given")
        connection.settimeout(remaining)
        return connection


def new_id() -> str:
    """A request's id; whoever sends the request again must send the same one."""
    # As good as uuid4's, whose module takes a tenth of vm-stonith's time to load.
    return os.urandom(_RANDOM_BYTES).hex()


def ask(
    service: str,
    body: str,
    deadline: Deadline,
    *,
    request_id: str | None = None,
    path: str | None = None,
) -> str:
    """The body of the reply, whatever it says.

    Raises MessageError for what can't be sent, NotRunningError, UnavailableError, RefusedError,
    and NoAnswerError; after the last nobody knows what became of the request.
    """
    with Connection(deadline, path=path) as connection:
        seconds = deadline.remaining() or 0.001
        return connection.ask(codec.request(service, request_id or new_id(), seconds, body))


def tell(
    service: str,
    body: str,
    deadline: Deadline,
    *,
    request_id: str | None = None,
    path: str | None = None,
) -> None:
    """Send a request and do not wait for the reply; raises as ask() does.

    It is handed to the port if the host is there, and forgotten if not.
    """
    with Connection(deadline, path=path) as connection:
        seconds = deadline.remaining() or 0.001
        connection.send(codec.request(service, request_id or new_id(), seconds, body))
        connection.wait_open()


def status(deadline: Deadline, *, path: str | None = None) -> str:
    """What the running vm-connectd says of itself, as JSON."""
    expected = codec.FROM_CONNECTD_FOR_STATUS
    parts = []
    with Connection(deadline, program="status", path=path, expected=expected) as connection:
        connection.send(StatusQuery())
        for event in connection.events():
            if isinstance(event, Report):
                parts.append(event.text)
                if event.is_last:
                    break
                if sum(map(len, parts)) > _LONGEST_REPORT:
                    raise WireError("vm-connectd's report has no end")
    return "".join(parts)
