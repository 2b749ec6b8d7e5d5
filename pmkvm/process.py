# SPDX-License-Identifier: GPL-2.0-or-later
"""A process as one life: its pid and start time, and a pidfd that can't be mistaken for another.

Dead means that the pidfd is readable, which the kernel says when the last thread is gone.
/proc/PID/stat is no proof: it says Z, with an empty command line, while a thread of the same
process still writes to a disk (measured).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING, NamedTuple

from pmkvm import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.deadline import Deadline

# Fields of /proc/PID/stat after the command's name, which may hold blanks and brackets (proc(5)).
_STATE_FIELD = 0
_START_TIME_FIELD = 19


class Life(NamedTuple):
    """One process: start_time in clock ticks since boot, as /proc/PID/stat has it."""

    pid: int
    start_time: int


def life_of(pid: int) -> Life | None:
    """The life that has this pid now; a zombie has one too. None if nobody has it."""
    fields = _stat(pid)
    return Life(pid, int(fields[_START_TIME_FIELD])) if fields else None


def is_zombie(pid: int) -> bool:
    """Whether the process's first thread has ended; others may live."""
    fields = _stat(pid)
    return bool(fields) and fields[_STATE_FIELD] == "Z"


def is_alive(life: Life) -> bool:
    """Whether any thread of it lives. Raises OSError if the kernel can't tell."""
    with open_pidfd(life) as pidfd:
        return pidfd is not None and not is_readable(pidfd)


@contextlib.contextmanager
def open_pidfd(life: Life) -> Iterator[int | None]:
    """A pidfd of exactly this life, None if it is over and reaped."""
    try:
        pidfd = os.pidfd_open(life.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Looked at after the pidfd was opened: a pid that was reused in between shows here.
        yield pidfd if life_of(life.pid) == life else None
    finally:
        os.close(pidfd)


def is_readable(pidfd: int) -> bool:
    """Whether the process behind a pidfd is dead, with all its threads."""
    return _poll(pidfd, 0.0)


def wait_dead(pidfd: int, deadline: Deadline) -> bool:
    """Wait for the death of the process behind a pidfd; False if it outlived the deadline."""
    return _poll(pidfd, deadline.remaining())


def send(pidfd: int, number: signal.Signals) -> None:
    """Signal the process behind a pidfd; one that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


def _poll(pidfd: int, timeout_s: float) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(timeout_s * 1000))


def _stat(pid: int) -> list[str]:
    try:
        with open(f"{settings.PROC}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
