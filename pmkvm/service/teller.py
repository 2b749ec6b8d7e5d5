# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's end of --status: JSON to whoever connects, and it hangs up.

A report that fails is one line that begins with "error: " instead.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Callable, cast

from pmkvm.service.status_socket import FAILED

if TYPE_CHECKING:
    from asyncio import BaseTransport, WriteTransport

log = logging.getLogger(__name__)


class Teller(asyncio.Protocol):
    """One connection, root's: the socket's mode is 0600."""

    def __init__(self, report: Callable[[], str]) -> None:
        self._report = report

    def connection_made(self, transport: BaseTransport) -> None:
        writing = cast("WriteTransport", transport)
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
            return f"{FAILED}{error!r}\n"
