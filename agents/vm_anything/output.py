# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that a program's output is appended to, and the last thing that it said there."""

from __future__ import annotations

import errno
import os
import stat

from agents.vm_anything.user import rights_of
from pmkvm import settings
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.log import Log
    from pmkvm.run import Account

# What befalls a disk, and is no mistake of whoever has named the file.
_TROUBLES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_TAIL_BYTES = 4096
_MAX_LETTERS = 200


class Output:
    """An open file to append to. Raises OcfError INSTALLED if the user may not write to it.

    A disk that is full or broken costs the program its output, and nobody the program.
    """

    def __init__(self, path: str, account: Account | None, log: Log) -> None:
        try:
            self.fd = _open(path, account)
        except OSError as error:
            if error.errno not in _TROUBLES:
                raise OcfError(OcfCode.INSTALLED, f"{path}: {error.strerror}") from error
            log.warning(f"{path}: {error.strerror}; what the program says is lost")
            self.fd = _open(os.devnull, account)
        self._begin = os.fstat(self.fd).st_size

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.fd)

    def last_line(self) -> str:
        """The last line that was appended since the file was opened; empty if there is none."""
        status = os.fstat(self.fd)
        if not stat.S_ISREG(status.st_mode):
            return ""
        # The same file, whatever has been done to its name.
        reader = os.open(f"{settings.PROC}/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            begin = max(self._begin, status.st_size - _TAIL_BYTES)
            text = os.pread(reader, _TAIL_BYTES, begin).decode(errors="replace")
        finally:
            os.close(reader)
        return text.strip().rpartition("\n")[2][-_MAX_LETTERS:]


def _open(path: str, account: Account | None) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
    mask = os.umask(0o022)
    try:
        with rights_of(account):
            return os.open(path, flags, 0o644)
    finally:
        os.umask(mask)
