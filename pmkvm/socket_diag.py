# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's sock_diag(7) says of one unix socket of this process's network namespace."""

from __future__ import annotations

import errno
import os
import socket
import struct

# linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h
_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_ERROR = 2
_SHOW_PEER = 4
_PEER = 2
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBHIIIII")
_MESSAGE_BYTES = 16
_ATTRIBUTE = struct.Struct("=HH")
_U32 = struct.Struct("=I")
_I32 = struct.Struct("=i")
_LONGEST = 8192
# The answer is there when the question has been sent.
_ANSWER_S = 1.0

# The inode of an end that nobody has accepted yet, or that is closed.
NOT_ACCEPTED = 0


def peer_inode(connection: socket.socket) -> int | None:
    """Of the socket at the other end, NOT_ACCEPTED, or None if there is none.

    Raises OSError, ENOTSUP where the kernel has no unix_diag.
    """
    inode = os.fstat(connection.fileno()).st_ino
    question = _QUESTION.pack(
        socket.AF_UNIX, 0, 0, _ALL_STATES, inode & 0xFFFFFFFF, _SHOW_PEER, _NO_COOKIE, _NO_COOKIE
    )
    header = _HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
    ) as asking:
        asking.settimeout(_ANSWER_S)
        asking.send(header + question)
        return parse(asking.recv(_LONGEST))


def parse(answer: bytes) -> int | None:
    """The peer's inode in it. Raises OSError with what the kernel says."""
    length, kind, *_ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        (number,) = _I32.unpack_from(answer, _HEADER.size)
        if -number == errno.ENOENT:
            raise OSError(errno.ENOTSUP, "this kernel has neither SO_PEERPIDFD nor unix_diag")
        raise OSError(-number, os.strerror(-number))
    at = _HEADER.size + _MESSAGE_BYTES
    while at + _ATTRIBUTE.size <= min(length, len(answer)):
        size, kind = _ATTRIBUTE.unpack_from(answer, at)
        if kind == _PEER:
            (inode,) = _U32.unpack_from(answer, at + _ATTRIBUTE.size)
            return int(inode)
        # Attributes begin at multiples of four.
        at += max(_ATTRIBUTE.size, (size + 3) & ~3)
    return None
