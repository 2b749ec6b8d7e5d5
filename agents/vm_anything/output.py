# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that a program's output is appended to, and the last thing that it said there."""

from __future__ import annotations

import os
import stat

from agents.vm_anything.user import rights_of
from pmkvm import settings
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.run import Account

_TAIL_BYTES = 4096
_MAX_LETTERS = 200


class Output:
    """An open file to append to. Raises OcfError INSTALLED if the user may not write to it."""

    def __init__(self, path: str, account: Account | None) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        mask = os.umask(0o022)
        try:
            with rights_of(account):
                self.fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise OcfError(OcfCode.INSTALLED, f"{path}: {error.strerror}") from error
        finally:
            os.umask(mask)
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
