# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is at the other end of a connected unix socket, as the kernel says.

SO_PEERCRED names the user and the number of a process. The user is certain. The number may be
another process's by now: a socket outlives the process that made it, in the hands of whom that
has given it to. So the process is told by its pidfd (SO_PEERPIDFD, Linux 6.5), or by holding the
other end of this very connection.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from typing import NamedTuple

from pmkvm import process, settings, socket_diag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.process import Life

_UCRED = struct.Struct("iII")
_INT = struct.Struct("i")
# asm-generic/socket.h, and the two architectures that have numbers of their own.
_OWN_NUMBERS = {"parisc": 0x404B, "parisc64": 0x404B, "sparc": 0x0056, "sparc64": 0x0056}
_SO_PEERPIDFD = _OWN_NUMBERS.get(os.uname().machine, 77)
# What the kernel says of a peer that has been reaped, or that never was a process.
_NOBODY = (errno.EINVAL, errno.ESRCH, errno.ENODATA)
# A QEMU with a hundred disks has some hundred.
_MOST_DESCRIPTORS = 16384
# Python's getsockopt takes no more; of SELinux a label with all categories is shorter.
_LONGEST_LABEL = 1024
_LONGEST_FDINFO = 4096
# 100 bytes for each unix socket of the host.
_LONGEST_TABLE = 1 << 24
# Of that table: the number of columns with a name, and which they are.
_COLUMNS, _FLAGS, _INODE, _NAME = 8, 3, 6, 7
_LISTENS = b"00010000"


class Peer(NamedTuple):
    """Whose process connected; for a connecting end, whose process called listen().

    pid is for messages: it says nothing of who has that number now.
    """

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """Raises OSError."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Peer(*_UCRED.unpack(credentials))


def life_at(connection: socket.socket) -> Life | None:
    """The process that peer_of() means; None if it has ended, or is not seen from here.

    Raises OSError. Of these BlockingIOError means that an older kernel can't tell before the other
    end has accepted the connection.
    """
    try:
        return life_by_pidfd(connection)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
    return life_by_descriptor(connection)


def life_by_pidfd(connection: socket.socket) -> Life | None:
    """As life_at(). ENOPROTOOPT: the kernel is older than 6.5."""
    try:
        given = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, _INT.size)
    except OSError as error:
        if error.errno in _NOBODY:
            return None
        raise
    (pidfd,) = _INT.unpack(given)
    try:
        pid = _pid_of(pidfd)
        life = process.life_of(pid) if pid > 0 else None
        # Behind the start time: as long as the pidfd's process lives the number is its own.
        return None if _events(pidfd) else life
    finally:
        os.close(pidfd)


def life_by_descriptor(connection: socket.socket) -> Life | None:
    """As life_at(), for every kernel that has unix_diag; ENOTSUP: this one has not."""
    pid = peer_of(connection).pid
    life = process.life_of(pid) if pid > 0 else None
    name = connection.getpeername()
    if isinstance(name, bytes) and name.startswith(b"\0"):
        inode = _listening_inode(name)
    else:
        inode = _accepted_inode(connection)
    if life is None or inode is None or not _holds(pid, inode):
        return None
    # Once more, behind the descriptor: a number that was reused in between then shows.
    return life if process.life_of(pid) == life else None


def is_hung_up(connection: socket.socket) -> bool:
    """Whether the other end is closed."""
    return any(event & (select.POLLHUP | select.POLLERR) for event in _events(connection))


def label_of(connection: socket.socket) -> str:
    """The security label of the socket at the other end; empty where there are none."""
    try:
        label = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERSEC, _LONGEST_LABEL)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:
            return ""
        raise
    return label.rstrip(b"\0").decode(errors="replace")


def _pid_of(pidfd: int) -> int:
    """-1 for one that is dead, 0 for one that is not seen from here (proc_pid_fdinfo(5))."""
    with open(f"{settings.PROC}/self/fdinfo/{pidfd}", encoding="ascii") as file:
        for line in file.read(_LONGEST_FDINFO).splitlines():
            name, _, value = line.partition(":")
            if name == "Pid":
                return int(value)
    return -1


def _events(descriptor: socket.socket | int) -> list[int]:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return [event for _descriptor, event in poller.poll(0)]


def _holds(pid: int, inode: int) -> bool:
    """Whether this socket is among the process's descriptors."""
    try:
        with os.scandir(f"{settings.PROC}/{pid}/fd") as descriptors:
            for _, descriptor in zip(range(_MOST_DESCRIPTORS), descriptors):
                try:
                    if os.readlink(descriptor.path) == f"socket:[{inode}]":
                        return True
                except FileNotFoundError:
                    # Closed meanwhile.
                    continue
    except (FileNotFoundError, ProcessLookupError):
        return False
    return False


def _accepted_inode(connection: socket.socket) -> int | None:
    inode = socket_diag.peer_inode(connection)
    if inode != socket_diag.NOT_ACCEPTED:
        return inode
    # So it looks, too, when it was closed.
    if is_hung_up(connection):
        return None
    raise BlockingIOError(errno.EAGAIN, "the other end has not accepted the connection")


def _listening_inode(name: bytes) -> int | None:
    """Of who listens at an abstract name, which belongs to one socket at a time: nobody needs to
    have accepted. A path may be bound by many, one after the other."""
    # Zeros in a name are shown like its first one.
    wanted = name.replace(b"\0", b"@")
    with open(f"{settings.PROC}/net/unix", "rb") as file:
        for line in file.read(_LONGEST_TABLE).splitlines():
            fields = line.split(None, _COLUMNS - 1)
            is_named = len(fields) == _COLUMNS and fields[_NAME] == wanted
            if is_named and fields[_FLAGS] == _LISTENS:
                return int(fields[_INODE])
    return None
