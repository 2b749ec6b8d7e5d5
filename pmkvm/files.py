# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are never half written, and locks that end with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import os

from pmkvm.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.deadline import Deadline

LOCK_POLL_S = 0.05


def read_text(path: str) -> str | None:
    """The file's text, None when there is no such file. Raises OSError for any other trouble."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_atomically(path: str, text: str, mode: int = 0o600) -> None:
    """Replace a file as a whole: a reader sees the old text or the new one."""
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def remove(path: str) -> None:
    """Remove a file; one that is not there is no error."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@contextlib.contextmanager
def lock(path: str, deadline: Deadline) -> Iterator[None]:
    """Hold the lock on path; it ends with the process, whatever kills it.

    Raises DeadlineError when another process still holds it at the deadline.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while not _try_lock(descriptor):
            if deadline.expired():
                raise DeadlineError(f"{path} is held by another process")
            deadline.pause(LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
