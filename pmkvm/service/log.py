# SPDX-License-Identifier: GPL-2.0-or-later
"""Logging of daemons: to stderr, a line for each record, with the journal's priorities.

A reader of stderr that has stopped does not stop the daemon: what it does not take is counted.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from typing import Callable

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))

# What a pipe that poll() calls writable takes without waiting (PIPE_BUF).
LONGEST_LINE = 4096


class LineFormatter(logging.Formatter):
    """One line for a record, and one for each line of its traceback."""

    def __init__(
        self, program: str, *, is_supervised: bool, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._program = program
        self._is_supervised = is_supervised
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        lines = [_escaped(record.getMessage())]
        if record.exc_info:
            lines += [_escaped(each) for each in self.formatException(record.exc_info).splitlines()]
        return "\n".join(f"{self._prefix(record)}{line}" for line in lines)

    def _prefix(self, record: logging.LogRecord) -> str:
        if self._is_supervised:
            return f"<{next(n for level, n in _PRIORITIES if record.levelno >= level)}>"
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._clock()))
        return f"{when} {self._program}[{os.getpid()}] {record.levelname.lower()}: "


class DescriptorHandler(logging.Handler):
    """Writes to a descriptor, but only what it takes at once."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poller = select.poll()
        self._poller.register(descriptor, select.POLLOUT)
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).split("\n"):
            self._write(line)

    def _write(self, line: str) -> None:
        told = f" ({self.dropped} lines before this one are lost)" if self.dropped else ""
        data = f"{line}{told}".encode(errors="backslashreplace")[: LONGEST_LINE - 1] + b"\n"
        try:
            if not any(event & select.POLLOUT for _fd, event in self._poller.poll(0)):
                raise BlockingIOError
            os.write(self._descriptor, data)
            self.dropped = 0
        except OSError:
            self.dropped += 1


def set_up(program: str, *, is_debug: bool = False) -> None:
    """Once, at the daemon's start."""
    is_supervised = bool(os.environ.get("NOTIFY_SOCKET") or os.environ.get("JOURNAL_STREAM"))
    handler = DescriptorHandler(sys.stderr.fileno())
    handler.setFormatter(LineFormatter(program, is_supervised=is_supervised))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if is_debug else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _escaped(text: str) -> str:
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
