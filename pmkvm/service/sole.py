# SPDX-License-Identifier: GPL-2.0-or-later
"""One daemon of a kind on a host, whatever becomes of its files.

It holds a name in the abstract namespace of unix sockets (unix(7)). The kernel gives such a name
to one socket at a time, in each network namespace. No file frees it, only the end of the process
does. A lock on a file has neither property: whoever deletes or replaces the file, as an upgrade
replaces a program's own, frees the lock; and a file that others may read, they may lock.

Any local user may take the name before the daemon does. So only a holder that the kernel calls
root's counts as another daemon, and nobody else keeps one from starting.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from typing import NamedTuple

from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.peer import life_at, peer_of

log = logging.getLogger(__name__)

PREFIX = "pm_kvm_tools"
# For the one before us to end.
WAIT_S = 5.0
_POLL_S = 0.05
# Nobody takes these connections: each look at the holder leaves one behind. The kernel allows
# net.core.somaxconn of them.
_LOOKS = 4096


class AnotherDaemonError(HaError):
    """Another daemon of this kind runs on this host."""


class Holder(NamedTuple):
    """Who has the name. is_ours: root, and of this machine; a container's root may share its
    network."""

    pid: int
    uid: int
    is_ours: bool


class Sole:
    """Holds the name of the daemon that serves a path.

    The name outlives an execution of another program (pmkvm.service.reexec), so that nobody gets in
    between: the descriptor stays open, and the new program finds that its own process holds the
    name. Children don't get it: pmkvm.run closes what it does not hand over.
    """

    def __init__(self, path: str) -> None:
        self._name = f"\0{PREFIX}{os.path.abspath(path)}"
        self._socket: socket.socket | None = None

    def __enter__(self) -> Sole:
        """Waits WAIT_S for the one before us to end. Raises AnotherDaemonError, and HaError if the
        kernel refuses the name to everybody."""
        deadline = Deadline(WAIT_S)
        while not self._take():
            holder = self._holder()
            if holder is not None and holder.is_ours and holder.pid == os.getpid():
                break
            if holder is not None and not holder.is_ours:
                self._do_without(f"process {holder.pid} of user {holder.uid} has")
                break
            if deadline.expired():
                if holder is not None:
                    raise AnotherDaemonError(
                        f"another daemon runs here: process {holder.pid} has {self._shown}"
                    )
                self._do_without("somebody who can't be identified has")
                break
            deadline.pause(_POLL_S)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def _take(self) -> bool:
        taken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            taken.bind(self._name)
            # Who calls listen() is whom the kernel names to those who connect.
            taken.listen(_LOOKS)
            taken.set_inheritable(True)
        except OSError as error:
            taken.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise HaError(f"the name {self._shown} can't be had: {error}") from error
        self._socket = taken
        return True

    def _holder(self) -> Holder | None:
        """None if it can't be told: it has just ended, or takes no connections."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
            asking.setblocking(False)
            try:
                asking.connect(self._name)
                user, life = peer_of(asking).uid, life_at(asking)
                if life is None:
                    return None
                is_local = _namespace(str(life.pid)) == _namespace("self")
            except OSError:
                return None
        return Holder(life.pid, user, is_local and user in (0, os.geteuid()))

    def _do_without(self, why: str) -> None:
        log.error(
            "%s %s, which is this daemon's: only the lock on its socket's path keeps a second"
            " one from starting",
            why,
            self._shown,
        )

    @property
    def _shown(self) -> str:
        return f"@{self._name[1:]}"


def _namespace(process: str) -> tuple[int, int]:
    """Of process numbers. Raises OSError if the process is gone, or is not seen from here."""
    found = os.stat(f"{settings.PROC}/{process}/ns/pid")
    return (found.st_dev, found.st_ino)
