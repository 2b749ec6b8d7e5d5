# SPDX-License-Identifier: GPL-2.0-or-later
"""--status: a unix socket that says JSON to whoever connects, and hangs up.

A report that fails is one line that begins with "error: " instead.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Callable, cast

from pmkvm.errors import DeadlineError, HaError

if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

log = logging.getLogger(__name__)

_FAILED = "error: "
# A report of a host with a hundred pending stops and a hundred fences is a tenth of it.
_LONGEST = 1 << 20


class StatusError(HaError):
    """No vm-stonithd listens on this host, or it can't tell."""


class Teller(asyncio.Protocol):
    """One connection, root's: the socket's mode is 0600."""

    def __init__(self, report: Callable[[], str]) -> None:
        self._report = report

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast("asyncio.WriteTransport", transport)
        try:
            writing.write(self._text().encode())
        finally:
            # Whatever becomes of it: nobody is kept waiting.
            writing.close()

    def _text(self) -> str:
        try:
            return self._report()
        except Exception as error:
            log.exception("the report fails")
            return f"{_FAILED}{error!r}\n"


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
                    break
                parts.append(part)
                if sum(map(len, parts)) > _LONGEST:
                    raise StatusError(f"{path}: what answers there is no vm-stonithd")
        except socket.timeout as error:
            raise DeadlineError("vm-stonithd does not answer") from error
        except OSError as error:
            raise StatusError(f"vm-stonithd does not run ({path}: {error.strerror})") from error
    text = b"".join(parts).decode().strip()
    if not text or text.startswith(_FAILED):
        raise StatusError(f"vm-stonithd can't tell: {text or 'it hung up'}")
    return text
