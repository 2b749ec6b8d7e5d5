# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is at the other end of a unix socket, as the kernel says: SO_PEERCRED."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_UCRED = struct.Struct("iII")


class Peer(NamedTuple):
    """The process that connected; for a connecting end, the process that called listen()."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """Raises OSError. The process may have ended since: its pid says nothing by itself."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Peer(*_UCRED.unpack(credentials))
