# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are never half written, and locks that end with their holder."""

from __future__ import annotations

import os

from pmkvm.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

LOCK_POLL_S = 0.05
_NAME_BYTES = 8
# Of a file of our own, or of one that an administrator writes by hand: none comes near it.
_LONGEST_TEXT = 1 << 20
_PIECE = 1 << 14


def read_text(path: str, at_most: int = _LONGEST_TEXT) -> str | None:
    """The file's text, None when there is no such file.

    Raises OSError for any other trouble, UnicodeDecodeError if it is no UTF-8.
    """
    try:
        return read_whole(path, at_most).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_whole(path: str, at_most: int) -> bytes:
    """All that the file holds. Raises OSError, EFBIG among others for one that is longer."""
    data = read_beginning(path, at_most + 1)
    if len(data) > at_most:
        import errno

        raise OSError(errno.EFBIG, f"longer than {at_most} bytes", path)
    return data


def read_beginning(path: str, at_most: int) -> bytes:
    """So many bytes of it, or all. Nobody is waited for if it is a pipe. Raises OSError.

    It takes the memory that the file needs: Python reserves what a single read may return, and an
    agent of a host that has little left would fail for a bound of 4 MiB.
    """
    pieces: list[bytes] = []
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        while at_most > 0:
            # None is what an open pipe says in which nothing is.
            piece = file.read(min(at_most, _PIECE)) or b""
            if not piece:
                break
            pieces.append(piece)
            at_most -= len(piece)
    return b"".join(pieces)


def stamp(path: str) -> tuple[int, int, int] | None:
    """Another one for each version of the file; None if it can't be told."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def write_atomically(
    path: str, text: str, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Replace a file as a whole: a reader sees the old text or the new one.

    owner: the numbers of a user and a group, if they are not to be the caller's.
    """
    temporary = temporary_name(path)
    descriptor = create(temporary, mode)
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
    except BaseException as error:
        remove(temporary)
        if isinstance(error, OSError):
            # That a disk is full the kernel says of a descriptor.
            error.filename = error.filename or path
        raise


def temporary_name(path: str) -> str:
    """A name beside path, for what is to take its place. Nobody can foresee it: others may be
    allowed to write into that directory, and could lay a file or a link there."""
    return f"{path}.{os.urandom(_NAME_BYTES).hex()}.new"


def remove_temporary(path: str) -> None:
    """What a writer of this path that was killed has left beside it. One that is at work loses
    its file. Raises OSError."""
    directory, name = os.path.split(path)
    length = len(os.path.basename(temporary_name(path)))
    for each in os.listdir(directory or os.curdir):
        if each.startswith(f"{name}.") and each.endswith(".new") and len(each) == length:
            remove(os.path.join(directory, each))


def create(path: str, mode: int) -> int:
    """A descriptor to write a file that was not there before; a link there is not followed.

    Raises FileExistsError, and OSError for any other trouble.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def remove(path: str) -> None:
    """Remove a file; one that is not there is no error. Raises OSError if it stays."""
    try:
        os.unlink(path)
    except OSError:
        # Where nothing can be written the kernel refuses before it looks for the file.
        if os.path.lexists(path):
            raise


class Lock:
    """The lock on a path, held in a with statement; it ends with the process, whatever kills it.

    A file that is there is enough, also on a file system that is read-only. One that somebody
    removes or replaces while it is waited for is given up for the one that is there then; removed
    while it is held, it keeps nobody out any more.

    Entering raises DeadlineError when another process still holds it at the deadline, and OSError
    when there is no file and none can be made, or none is to be made (makes_file).
    """

    def __init__(self, path: str, deadline: Deadline, *, makes_file: bool = True) -> None:
        self._path = path
        self._deadline = deadline
        self._makes_file = makes_file
        self._fd = -1

    def __enter__(self) -> Lock:
        while not self._is_taken():
            if self._deadline.expired():
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

    def _is_taken(self) -> bool:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if self._makes_file else 0)
        self._fd = os.open(self._path, flags, 0o600)
        is_taken = False
        try:
            is_taken = _try_lock(self._fd) and self.is_at_path()
        finally:
            if not is_taken:
                os.close(self._fd)
        return is_taken


def _try_lock(descriptor: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
