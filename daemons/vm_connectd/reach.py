# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets inside the allowed directories, reached without leaving them.

QEMUs may write into these directories. What a path led to when it was looked at, it need not lead
to a moment later. So each directory on the way and the socket itself are opened without following
links, and what has been opened is what is connected to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import NamedTuple

from pmkvm import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(NamedTuple):
    """A way down from an allowed directory, without links when it was drawn up."""

    directory: str
    steps: tuple[str, ...]


def inside(
    path: str, directories: Sequence[str], real: Callable[[str], str] = os.path.realpath
) -> Place | None:
    """Where it is when all links are followed now; None if that is outside."""
    if not os.path.isabs(path):
        return None
    resolved = real(path)
    for directory in map(real, directories):
        if resolved != directory and os.path.commonpath([resolved, directory]) == directory:
            return Place(directory, tuple(os.path.relpath(resolved, directory).split(os.sep)))
    return None


def connect(path: str, directories: Sequence[str]) -> socket.socket:
    """A connection, not blocking, to the socket at this path, if that is in these directories.

    Raises OSError: PermissionError where it is not. Connecting never waits.
    """
    place = inside(path, directories)
    if place is None:
        raise PermissionError(errno.EACCES, "it is outside the allowed directories")
    return to(place)


def to(place: Place) -> socket.socket:
    """As connect(); OSError also if the way has been turned since it was drawn up."""
    with contextlib.ExitStack() as held:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        closing = held.enter_context(contextlib.ExitStack())
        closing.callback(connection.close)
        connection.setblocking(False)
        connection.connect(f"{settings.PROC}/self/fd/{_socket(place, held)}")
        closing.pop_all()
    return connection


def _socket(place: Place, held: contextlib.ExitStack) -> int:
    """A descriptor of its file, open as long as held is."""
    *way, name = place.steps
    here = _open(place.directory, None, held, os.O_DIRECTORY)
    for step in way:
        here = _open(step, here, held, os.O_DIRECTORY)
    found = _open(name, here, held, 0)
    if not stat.S_ISSOCK(os.fstat(found).st_mode):
        raise PermissionError(errno.EACCES, "it is no socket")
    return found


def _open(name: str, at: int | None, held: contextlib.ExitStack, more: int) -> int:
    descriptor = os.open(name, _LOOK | more, dir_fd=at)
    held.callback(os.close, descriptor)
    return descriptor
