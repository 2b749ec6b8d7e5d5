# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon's local socket: for root alone, at its path from the moment it takes connections."""

from __future__ import annotations

import contextlib
import os
import socket

from pmkvm import files
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, HaError

BACKLOG = 64
# For the one before us to end.
LOCK_S = 5.0


class ListenError(HaError):
    """The local socket can't be had."""


class Listener:
    """Holds the path, by a lock beside it, from enter to exit: there is one daemon of a kind."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket: socket.socket | None = None
        self._lock = files.Lock(f"{path}.lock", Deadline(LOCK_S))

    def __enter__(self) -> socket.socket:
        """Raises ListenError."""
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
            self._lock.__enter__()
        except DeadlineError as error:
            raise ListenError(f"another daemon runs here and holds {self.path}") from error
        except OSError as error:
            raise ListenError(f"{self.path}: {error.strerror}") from error
        try:
            self.socket = _bind(self.path)
        except OSError as error:
            self._lock.__exit__()
            raise ListenError(f"{self.path}: {error.strerror}") from error
        return self.socket

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            files.remove(self.path)
        if self.socket is not None:
            self.socket.close()
        self._lock.__exit__()


def _bind(path: str) -> socket.socket:
    """Under another name first: nobody finds a socket that refuses, or has a wrong mode."""
    new = f"{path}.{os.getpid()}.new"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setblocking(False)
        files.remove(new)
        listening.bind(new)
        os.chmod(new, 0o600)
        listening.listen(BACKLOG)
        os.rename(new, path)
    except BaseException:
        listening.close()
        files.remove(new)
        raise
    return listening
