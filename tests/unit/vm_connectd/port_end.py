# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's end of a port, spoken on by a test in the place of a vm-connectd."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

READ_BYTES = 65536


class PortEnd:
    """Connected from with to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._read = b""

    def __enter__(self) -> PortEnd:
        self._socket.connect(str(self._path))
        self._socket.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self) -> bytes:
        """All that has come until now."""
        try:
            while part := self._socket.recv(READ_BYTES):
                self._read += part
        except BlockingIOError:
            pass
        return self._read
