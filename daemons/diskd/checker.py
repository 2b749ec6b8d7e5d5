# SPDX-License-Identifier: GPL-2.0-or-later
"""The child that touches the disk, in the daemon's place: it may hang for ever, the daemon may not.

It checks once for each message on its socket, and ends when the daemon has. While it lives it holds
a lock. So whoever comes after a daemon that has ended finds a child that hangs, and sends no second
one to the same disk: not even SIGKILL ends a process that waits for a disk in the kernel.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daemons.diskd import disk_io
from pmkvm import files
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

# The first argument of a diskd that is such a child.
WORD = "--checker"
REQUEST = b"check"
LONGEST_ANSWER = 4096
# In JSON a letter may take twelve bytes.
_LONGEST_REASON = 300
# For a child before this one that was killed and does end.
LOCK_S = 0.5


class Target(NamedTuple):
    """What is checked: a disk that is read, or files named so that are written.

    lock: the path of the lock that a child of it holds.
    """

    path: str
    is_written: bool
    lock: str


class Answer(NamedTuple):
    """is_good: the disk has answered. reason: why not, or what weakens the proof. is_hanging: an
    earlier check has not come back."""

    is_good: bool
    reason: str = ""
    is_hanging: bool = False


def arguments(target: Target) -> list[str]:
    """Of the program that becomes such a child; its standard output is the socket."""
    return [WORD, "write" if target.is_written else "read", target.path, target.lock]


def encode(answer: Answer) -> bytes:
    return json.dumps([answer.is_good, answer.reason[:_LONGEST_REASON], answer.is_hanging]).encode()


def decode(message: bytes) -> Answer:
    """Raises ValueError."""
    said = json.loads(message)
    is_answer = isinstance(said, list) and [type(each) for each in said] == [bool, str, bool]
    if not is_answer:
        raise ValueError("no answer")
    return Answer(*said)


def main(argv: Sequence[str]) -> int:
    """argv as of arguments(), without the first word."""
    how, path, lock = argv
    target = Target(path, how == "write", lock)
    with (
        socket.socket(fileno=os.dup(sys.stdout.fileno())) as daemon,
        contextlib.ExitStack() as held,
    ):
        serve(daemon, Checker(target, held).check)
    return 0


def serve(daemon: socket.socket, check: Callable[[], Answer]) -> None:
    """Until the daemon hangs up, or is no more."""
    with contextlib.suppress(ConnectionError):
        while daemon.recv(len(REQUEST)):
            daemon.send(encode(check()))


class Checker:
    """Does the checks of a target; the lock is held until held ends, at the latest with us."""

    def __init__(self, target: Target, held: contextlib.ExitStack) -> None:
        self._target = target
        self._held = held
        self._is_alone = False
        self._do = partial(disk_io.write if target.is_written else disk_io.read, target.path)

    def check(self) -> Answer:
        if not self._is_alone:
            try:
                self._begin()
            except DeadlineError:
                return Answer(False, "an earlier check of it still hangs", is_hanging=True)
        try:
            return Answer(True, self._do())
        except OSError as error:
            return Answer(False, reason_of(error))

    def _begin(self) -> None:
        """Raises DeadlineError. Where no lock can be made the daemon alone counts its children."""
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._target.lock), mode=0o755, exist_ok=True)
            self._held.enter_context(files.Lock(self._target.lock, Deadline(LOCK_S)))
        self._is_alone = True
        if self._target.is_written:
            # What one before us was killed over.
            with contextlib.suppress(OSError):
                files.remove_temporary(self._target.path)
