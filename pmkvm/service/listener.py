# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon's local socket, for root alone: at its path whatever is done to the path."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import Callable, NamedTuple

from pmkvm import files
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.service.sole import AnotherDaemonError

log = logging.getLogger(__name__)

BACKLOG = 64
# For the one before us to end.
LOCK_S = 5.0
LOOK_S = 1.0


class _Bound(NamedTuple):
    """A listening socket, and which file is its."""

    socket: socket.socket
    file: tuple[int, int]


class Listener:
    """Binds the path from enter to exit, and holds the lock beside it.

    What is lost of them, run() makes anew: somebody may delete or replace the files. What it has
    not bound itself it leaves alone at the end.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock: files.Lock | None = None
        self._bound: _Bound | None = None
        self._complaint = ""

    def __enter__(self) -> Listener:
        """Raises AnotherDaemonError. Where the path can't be bound for any other reason, that is
        logged, and run() goes on trying."""
        try:
            self._take(Deadline(LOCK_S))
        except DeadlineError as error:
            raise AnotherDaemonError(
                f"another daemon runs here and holds {self.path}.lock"
            ) from error
        except OSError as error:
            self._complain(f"{self.path}: {error.strerror or error}")
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bound is not None:
            if _is_at(self.path, self._bound):
                with contextlib.suppress(OSError):
                    files.remove(self.path)
            self._bound.socket.close()
        if self._lock is not None:
            self._lock.__exit__()

    async def run(
        self,
        make: Callable[[], asyncio.BaseProtocol],
        ready: Callable[[], None] | None = None,
    ) -> None:
        """Take connections until cancelled; those that are open are not touched.

        ready is called once, when the path is bound.
        """
        serves: _Bound | None = None
        with contextlib.ExitStack() as stack:
            while True:
                if self._bound is not None and self._bound is not serves:
                    if serves is None and ready is not None:
                        ready()
                    serves = self._bound
                    loop = asyncio.get_running_loop()
                    server = await loop.create_unix_server(make, sock=serves.socket)
                    # The one on the lost socket ends, its connections do not.
                    stack.close()
                    stack.callback(server.close)
                await asyncio.sleep(LOOK_S)
                self._look()

    def _look(self) -> None:
        """Have again what is lost, if that can be."""
        if self._is_whole():
            return
        try:
            self._take(Deadline(0.0))
        except DeadlineError as error:
            self._complain(str(error))
        except OSError as error:
            self._complain(f"{self.path}: {error.strerror or error}")
        else:
            log.warning("%s was missing, and is there now", self.path)
            self._complaint = ""

    def _is_whole(self) -> bool:
        return (
            self._bound is not None
            and _is_at(self.path, self._bound)
            and self._lock is not None
            and self._lock.is_at_path()
        )

    def _take(self, deadline: Deadline) -> None:
        """The lock first: who has it binds the path. Raises DeadlineError and OSError."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        if self._lock is None or not self._lock.is_at_path():
            before, self._lock = self._lock, files.Lock(f"{self.path}.lock", deadline).__enter__()
            if before is not None:
                before.__exit__()
        if self._bound is None or not _is_at(self.path, self._bound):
            self._bound = _bind(self.path)

    def _complain(self, complaint: str) -> None:
        """Once, not at each look."""
        if complaint != self._complaint:
            log.error("%s", complaint)
        self._complaint = complaint


def _bind(path: str) -> _Bound:
    """Under another name first: nobody finds a socket that refuses, or has a wrong mode."""
    new = files.temporary_name(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setblocking(False)
        # Like O_EXCL: nothing is there, or this fails.
        listening.bind(new)
        os.chmod(new, 0o600)
        listening.listen(BACKLOG)
        bound = _Bound(listening, _identity(os.lstat(new)))
        os.rename(new, path)
    except BaseException:
        listening.close()
        with contextlib.suppress(OSError):
            files.remove(new)
        raise
    return bound


def _is_at(path: str, bound: _Bound) -> bool:
    try:
        return _identity(os.lstat(path)) == bound.file
    except OSError:
        return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    """No other file gets it while a socket is bound to this one, deleted or not."""
    return (status.st_dev, status.st_ino)
