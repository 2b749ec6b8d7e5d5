# SPDX-License-Identifier: GPL-2.0-or-later
"""The socket to which a program says that it is ready: sd_notify(3), for one start.

The kernel chooses the address, so nobody can take it before us and nothing is left behind. Anybody
may write to it; what counts is who the kernel says has written.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import NamedTuple

from agents.vm_anything.session import is_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.process import Life

_MAX_BYTES = 4096
# struct ucred: pid, uid, gid.
_CREDENTIALS = struct.Struct("iII")


class Message(NamedTuple):
    """One datagram: whether it says READY=1, and the text of its STATUS, empty without one."""

    is_ready: bool
    status: str


class NotifySocket:
    """A socket for the variable NOTIFY_SOCKET. Raises OSError."""

    def __init__(self) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_UNIX, kind)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        # unix(7): the kernel's own choice of an abstract name.
        self._socket.bind("")
        self.address = "@" + os.fsdecode(self._socket.getsockname())[1:]

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def receive(self, leader: Life, seconds: float) -> Message | None:
        """The next datagram from a process of this session, None if none comes in that time.

        A sender that has ended already can't be told from a stranger.
        """
        # 0 would mean not to wait at all, and a BlockingIOError.
        self._socket.settimeout(max(seconds, 0.001))
        # Room for the credentials only: descriptors that are sent along are closed by the kernel.
        room = socket.CMSG_LEN(_CREDENTIALS.size)
        with contextlib.suppress(socket.timeout):
            data, ancillary, _flags, _address = self._socket.recvmsg(_MAX_BYTES, room)
            for level, kind, credentials in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    pid = _CREDENTIALS.unpack(credentials)[0]
                    return parse(data) if is_member(pid, leader) else None
        return None


def parse(data: bytes) -> Message:
    """Lines of NAME=value; names that are not known are not an error."""
    lines = data.decode(errors="replace").splitlines()
    status = [line.partition("=")[2] for line in lines if line.startswith("STATUS=")]
    return Message("READY=1" in lines, status[-1] if status else "")
