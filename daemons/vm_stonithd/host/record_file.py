# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's record of fences, a file that is added to. No fence waits for it.

Each record is one write at the file's end. Where the disk is full or hangs, records are lost, and
the log says so once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from pmkvm import settings
from pmkvm.errors import HaError, reason_of
from pmkvm.fencing import record
from pmkvm.service.thread_calls import ThreadCalls

if TYPE_CHECKING:
    from pmkvm.fencing.record import Record

log = logging.getLogger(__name__)

APPEND_S = 5.0
# Records that wait while one is being written: of a fence of a hundred guests there are so many.
MOST_WAITING = 1000
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class RecordFile:
    def __init__(self) -> None:
        # There is never a second writer, also while the first one hangs.
        self._calls = ThreadCalls(1)
        # Why records are lost now; empty if they are not.
        self.trouble = ""
        self._path = settings.FENCE_RECORDS
        self._lost = 0
        self._waiting: asyncio.Queue[Record] = asyncio.Queue(MOST_WAITING)

    def add(self, one: Record) -> None:
        try:
            self._waiting.put_nowait(one)
        except asyncio.QueueFull:
            self._lose("too many wait")

    async def run(self) -> None:
        while True:
            await self._write(await self._waiting.get())

    async def _write(self, one: Record) -> None:
        try:
            work = partial(append, self._path, record.encode(one).encode())
            await self._calls.call("recording a fence", work, APPEND_S)
        except (HaError, OSError, ValueError) as error:
            self._lose(reason_of(error) if isinstance(error, OSError) else str(error))
            return
        if self.trouble:
            log.info("%s: fences are recorded again, %d records are lost", self._path, self._lost)
            self.trouble, self._lost = "", 0

    def _lose(self, reason: str) -> None:
        self._lost += 1
        if not self.trouble:
            log.warning("%s: fences are not recorded: %s", self._path, reason)
        self.trouble = f"{self._path}: fences are not recorded: {reason}"


def append(path: str, line: bytes) -> None:
    """In a thread: all of it or nothing. Raises OSError.

    The file is opened each time: logrotate may have renamed it.
    """
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
            # The host died in the middle of a line: that one is lost, and this one is not.
            line = b"\n" + line
        if os.write(descriptor, line) != len(line):
            os.ftruncate(descriptor, status.st_size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(descriptor)
