# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of others that a daemon reads again and again, and that may lie on a mount that hangs.

A thread that reads one there does not come back before the mount does. There is one at most for
each file: while it hangs, the file counts as one that can't be read, at once.
"""

from __future__ import annotations

import errno
import threading
from typing import Callable, TypeVar, cast

from pmkvm.deadline import Deadline
from pmkvm.thread_call import Call

T = TypeVar("T")


class _Look:
    """A reading of a file, and whether somebody has waited for it in vain."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.is_given_up = False

    @property
    def is_over(self) -> bool:
        return self.call.is_done(Deadline(0))


class FarFiles:
    """Asked in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: dict[str, _Look] = {}

    @property
    def hanging(self) -> list[str]:
        """The files whose reading does not end."""
        with self._lock:
            looks = sorted(self._looks.items())
        return [path for path, look in looks if look.is_given_up and not look.is_over]

    def ask(self, path: str, read: Callable[[], T], seconds: float) -> T:
        """What read returns or raises, in so many seconds; it reads this file and no other.

        Who asks while a reading for somebody else is under way waits for its end, and reads then.
        Raises OSError ETIMEDOUT. Where there is no thread for it, the caller's own reads.
        """
        deadline = Deadline(seconds)
        while True:
            with self._lock:
                before = self._looks.get(path)
                is_mine = before is None or before.is_over
                look = _Look(Call(f"reading {path}", read)) if before is None or is_mine else before
                if not look.call.has_begun:
                    break
                self._looks[path] = look
            if look.is_given_up or not look.call.is_done(deadline):
                look.is_given_up = True
                raise OSError(errno.ETIMEDOUT, "does not answer in time: its storage hangs", path)
            if is_mine:
                self._forget(path, look)
                return cast("T", look.call.result())
        return read()

    def _forget(self, path: str, look: _Look) -> None:
        with self._lock:
            if self._looks.get(path) is look:
                del self._looks[path]
