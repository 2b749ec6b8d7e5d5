# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a file's storage answers, found out by a child before an action reads the file itself.

Who opens a file on a mount that hangs waits in the kernel, often where no signal reaches him. A
thread can be given up there, but its process can't: it ends for its parent when its last thread
does (measured on Linux 6.18), and Pacemaker would wait for it until the action's time is over. So a
child goes first. It has no lock and no descriptor of ours, and if it does not come back it is left
behind.
"""

from __future__ import annotations

import os

from pmkvm import settings
from pmkvm.deadline import Deadline

# It reads what we would read, and no more than so many bytes.
_PROGRAM = "/usr/bin/head"
_MOST_BYTES = 4 << 20
_SOONEST_S, _LATEST_S = 0.001, 0.05
# Where a signal reaches it, it ends in this time.
_REAP_S = 1.0


def require_answer(path: str, deadline: Deadline) -> None:
    """Returns when the file can be opened and read, or an error says why not.

    Raises OSError ETIMEDOUT if nobody has said anything by the deadline. Where this host has no
    process for the child nothing is found out.
    """
    try:
        child = _send(path)
    except OSError:
        return
    if not _comes_back(child, deadline):
        _leave(child)
        import errno

        raise OSError(errno.ETIMEDOUT, "does not answer in time: its storage hangs", path)


def _comes_back(child: int, deadline: Deadline) -> bool:
    pause_s = _SOONEST_S
    while not _is_back(child):
        if deadline.expired():
            return False
        deadline.pause(pause_s)
        pause_s = min(2 * pause_s, _LATEST_S)
    return True


def _send(path: str) -> int:
    """The child's pid. Raises OSError."""
    return os.posix_spawn(
        _PROGRAM,
        ["head", "-c", str(_MOST_BYTES), "--", path],
        settings.CHILD_ENVIRONMENT,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ],
        setsid=True,
    )


def _is_back(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] != 0
    except ChildProcessError:
        # Reaped by somebody else.
        return True


def _leave(child: int) -> None:
    """Whatever becomes of it is init's, once we have ended."""
    import signal

    os.kill(child, signal.SIGKILL)
    _comes_back(child, Deadline(_REAP_S))
