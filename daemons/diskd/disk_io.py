# SPDX-License-Identifier: GPL-2.0-or-later
"""One read from a disk, or one write to it, past the kernel's cache. Any of it may hang.

Each read is of another block, drawn at random: of one and the same block a disk's own cache, or a
controller's, would go on to tell after the disk itself has gone.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import random
from functools import partial
from typing import TYPE_CHECKING

from pmkvm import files

if TYPE_CHECKING:
    from typing import Callable

# O_DIRECT wants memory, place and length in whole blocks of the disk; mmap's memory is aligned.
BLOCK = 4096
NOT_DIRECT = "O_DIRECT is refused here, so the kernel's cache may take part"


def read(path: str) -> str:
    """Read a block of a disk. Returns what weakens the proof, nothing as a rule. Raises OSError."""
    # O_NONBLOCK: what stands there may be a pipe of somebody's.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        blocks = os.lseek(descriptor, 0, os.SEEK_END) // BLOCK
        if not blocks:
            raise OSError(errno.ENODATA, f"it holds no block of {BLOCK} bytes", path)
        offset = BLOCK * random.randrange(blocks)  # noqa: S311 - no secret
        return _directly(descriptor, partial(_read, descriptor, offset))
    finally:
        os.close(descriptor)


def write(path: str) -> str:
    """Write a file beside path, have it on the disk, and remove it. As read() otherwise.

    Its name is path with letters that nobody can foresee: others may write to that directory.
    """
    made = files.temporary_name(path)
    descriptor = files.create(made, 0o600)
    try:
        weakness = _directly(descriptor, partial(_write, descriptor))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        files.remove(made)
    return weakness


def _directly(descriptor: int, transfer: Callable[[], None]) -> str:
    """With O_DIRECT, or without where the file system refuses it (open(2): EINVAL)."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
        transfer()
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
        transfer()
        return NOT_DIRECT
    return ""


def _read(descriptor: int, offset: int) -> None:
    # Without O_DIRECT it is to come from the disk as well.
    os.posix_fadvise(descriptor, offset, BLOCK, os.POSIX_FADV_DONTNEED)
    with mmap.mmap(-1, BLOCK) as memory:
        _require_whole(os.preadv(descriptor, [memory], offset))


def _write(descriptor: int) -> None:
    with mmap.mmap(-1, BLOCK) as memory:
        memory.write(os.urandom(BLOCK))
        _require_whole(os.pwritev(descriptor, [memory], 0))


def _require_whole(count: int) -> None:
    if count != BLOCK:
        raise OSError(errno.EIO, f"{count} bytes of {BLOCK} were transferred")
