# SPDX-License-Identifier: GPL-2.0-or-later
"""--status: a unix socket that says JSON to whoever connects, and hangs up."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Callable, cast

from pmkvm.errors import DeadlineError, HaError

if TYPE_CHECKING:
    from pmkvm.deadline import Deadline


class StatusError(HaError):
    """No vm-stonithd listens on this host."""


class Teller(asyncio.Protocol):
    """One connection, root's: the socket's mode is 0600."""

    def __init__(self, report: Callable[[], str]) -> None:
        self._report = report

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast("asyncio.WriteTransport", transport)
        writing.write(self._report().encode())
        writing.close()


def ask(path: str, deadline: Deadline) -> str:
    """What the running one says. Raises HaError."""
    parts: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(deadline.remaining())
            connection.connect(path)
            while True:
                deadline.check("asking vm-stonithd")
                connection.settimeout(deadline.remaining() or None)
                part = connection.recv(65536)
                if not part:
                    return b"".join(parts).decode()
                parts.append(part)
        except socket.timeout as error:
            raise DeadlineError("vm-stonithd does not answer") from error
        except OSError as error:
            raise StatusError(f"vm-stonithd does not run ({path}: {error.strerror})") from error
