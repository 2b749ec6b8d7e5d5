# SPDX-License-Identifier: GPL-2.0-or-later
"""A vm-connectd for tests: one thread on a unix socket, and a function that answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Callable, Union

from pmkvm import settings
from pmkvm.wire import codec
from pmkvm.wire.message import Refused, Reply, Request, Unavailable
from pmkvm.wire.session import Session

if TYPE_CHECKING:
    from pathlib import Path

# The text of a reply; Unavailable or Refused with its reason; None: says nothing, ever.
Said = Union[str, Unavailable, Refused, None]
Answers = Callable[[Request], Said]


def unavailable(reason: str) -> Unavailable:
    return Unavailable("stonith", "", reason)


def one_is_bad(token: str, others: str = "OK on") -> Answers:
    return lambda sent: "NG bad token" if token in sent.body else others


class Connectd:
    """For a with statement. Every request that came is in requests."""

    def __init__(self, run_dir: Path, answers: Answers) -> None:
        run_dir.mkdir(exist_ok=True)
        self.requests: list[Request] = []
        self._answers = answers
        self._connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        name = settings.connectd_socket().rpartition("/")[2]
        self._listener.bind(str(run_dir / name))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Connectd:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        # close() alone would leave the thread in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    @property
    def bodies(self) -> list[str]:
        return [request.body for request in self.requests]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            with connection, contextlib.suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        session = Session("test", codec.FROM_CLIENT)
        connection.sendall(session.greeting())
        while data := connection.recv(65536):
            for event in session.feed(data):
                if isinstance(event, Request) and not self._answer(connection, event):
                    return

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Whether this connection stays."""
        self.requests.append(request)
        said = self._answers(request)
        if isinstance(said, str):
            # What belongs to others must be passed over.
            connection.sendall(codec.encode(Reply("monitor", request.id, "OK on")))
            connection.sendall(codec.encode(Reply("stonith", "other", "OK on")))
            connection.sendall(codec.encode(Reply("stonith", request.id, said)))
        elif isinstance(said, Unavailable):
            connection.sendall(codec.encode(Unavailable("stonith", request.id, said.reason)))
        elif isinstance(said, Refused):
            connection.sendall(codec.encode(said))
            return False
        return True
