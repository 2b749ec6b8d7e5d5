# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are never half written, and locks that end with their holder."""

from __future__ import annotations

import os

from pmkvm.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

LOCK_POLL_S = 0.05


def read_text(path: str) -> str | None:
    """The file's text, None when there is no such file. Raises OSError for any other trouble."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_atomically(
    path: str, text: str, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Replace a file as a whole: a reader sees the old text or the new one.

    owner: the numbers of a user and a group, if they are not to be the caller's.
    """
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if owner is not None:
                os.fchown(descriptor, *owner)
                # Neither the change of owner nor the umask has the last word.
                os.fchmod(descriptor, mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: str) -> None:
    """Remove a file; one that is not there is no error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


class Lock:
    """The lock on a path, held in a with statement; it ends with the process, whatever kills it.

    Entering raises DeadlineError when another process still holds it at the deadline.
    """

    def __init__(self, path: str, deadline: Deadline) -> None:
        self._path = path
        self._deadline = deadline
        self._fd = -1

    def __enter__(self) -> Lock:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        while not _try_lock(self._fd):
            if self._deadline.expired():
                self.__exit__()
                raise DeadlineError(f"{self._path} is held by another process")
            self._deadline.pause(LOCK_POLL_S)
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._fd)

    def is_at_path(self) -> bool:
        """Whether the path still names what is locked: a file that was deleted locks nobody out."""
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(self._fd))
        except OSError:
            return False


def _try_lock(descriptor: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
