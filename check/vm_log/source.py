# SPDX-License-Identifier: GPL-2.0-or-later
"""Where lines come from: a file that grows and is rotated, a pipe, journalctl.

No more than a piece is read at a time, and of a line no more is kept than is looked at.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from check.vm_log import lines
from pmkvm import run, settings
from pmkvm.deadline import Deadline, sleep
from pmkvm.errors import CommandError
from pmkvm.process import Pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pmkvm.process import Life

PIECE = 1 << 16
# Of a line of the journal: a message and its names, with what JSON makes of them.
LONGEST = 8 * lines.LONGEST
# How often a file that is followed is looked at.
LOOK_S = 0.5
_END_S = 2.0


def split(pieces: Iterable[bytes]) -> Iterator[str]:
    """The lines of what comes; an empty piece ends one that has no end, as a rotation does."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        if not piece and rest:
            whole, rest = [rest], b""
        for each in whole:
            yield each[:LONGEST].decode(errors="backslashreplace")
        # The tail of a line that is too long already says nothing.
        rest = rest[:LONGEST]
    if rest:
        yield rest.decode(errors="backslashreplace")


def pipe(descriptor: int) -> Iterator[bytes]:
    while True:
        piece = os.read(descriptor, PIECE)
        if not piece:
            return
        yield piece


def file(path: str, *, is_followed: bool) -> Iterator[bytes]:
    """From its beginning; of one that is followed, on and on, whatever takes its place.

    Raises OSError if it can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            yield from pipe(descriptor)
            if not is_followed:
                return
            new = _successor(path, descriptor)
            if new is None:
                sleep(LOOK_S)
                continue
            # What came between the last look and the rotation.
            yield from pipe(descriptor)
            yield b""
            os.close(descriptor)
            descriptor = new
    finally:
        os.close(descriptor)


def _successor(path: str, descriptor: int) -> int | None:
    """The path's file from its beginning, if it is another one now, or was cut."""
    try:
        new = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # Between a rotation and the next line.
        return None
    status = os.fstat(new)
    is_same = os.path.samestat(status, os.fstat(descriptor))
    if is_same and status.st_size >= os.lseek(descriptor, 0, os.SEEK_CUR):
        os.close(new)
        return None
    return new


@contextlib.contextmanager
def journal(since: float | None, *, is_followed: bool) -> Iterator[Iterator[bytes]]:
    """What journalctl prints, as JSON. Raises CommandError if it is not there, or has failed."""
    argv = ["journalctl", "--output=json", "--no-pager", "--quiet", "--all"]
    argv += ["--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_HOSTNAME"]
    argv += [f"--identifier={program}" for program in lines.PROGRAMS]
    argv += ["--follow", "--no-tail"] if is_followed else []
    argv += [] if since is None else [f"--since=@{int(since)}"]
    read_end, write_end = os.pipe()
    try:
        try:
            life = run.spawn(
                argv,
                environment=settings.CHILD_ENVIRONMENT,
                directory=None,
                account=None,
                stdout=write_end,
                stderr=sys.stderr.fileno(),
            )
        finally:
            os.close(write_end)
        try:
            yield pipe(read_end)
        except BaseException:
            with Pidfd(life) as pidfd:
                pidfd.send(signal.SIGTERM)
            _exit_code(life)
            raise
    finally:
        os.close(read_end)
    code = _exit_code(life)
    if code != 0:
        raise CommandError(f"journalctl ended with {code}")


def _exit_code(life: Life) -> int | None:
    deadline = Deadline(_END_S)
    while True:
        code = run.exit_code(life)
        if code is not None or deadline.expired():
            return code
        deadline.pause(run.WAIT_S)
