# SPDX-License-Identifier: GPL-2.0-or-later
"""Logging of daemons: to stderr, and to syslog too unless a person or the journal reads stderr.

vm-anything sends stderr to a file, /dev/null by default. A reader of either that has stopped does
not stop the daemon: what it does not take is counted.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from logging.handlers import SysLogHandler
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    import socket

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))

# What a pipe that poll() calls writable takes without waiting (PIPE_BUF).
LONGEST_LINE = 4096
SYSLOG = "/dev/log"


class LineFormatter(logging.Formatter):
    """One line for a record, and one for each line of its traceback."""

    def __init__(
        self, program: str, *, is_journal: bool, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._program = program
        self._is_journal = is_journal
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        prefix = self._prefix(record)
        return "\n".join(f"{prefix}{line}" for line in _lines(self, record))

    def _prefix(self, record: logging.LogRecord) -> str:
        if self._is_journal:
            return f"<{next(n for level, n in _PRIORITIES if record.levelno >= level)}>"
        now = self._clock()
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        level = record.levelname.lower()
        return f"{when}.{int(now % 1 * 1000):03d} {self._program}[{os.getpid()}] {level}: "


class DescriptorHandler(logging.Handler):
    """Writes to a descriptor, but only what it takes at once."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poller = select.poll()
        self._poller.register(descriptor, select.POLLOUT)
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            for line in self.format(record).split("\n"):
                self._write(line)
        except MemoryError:
            # A line is lost, and nothing that its writer was about.
            self.dropped += 1

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


class SyslogHandler(SysLogHandler):
    """Never waits: syslog's socket takes a line at once, or it is lost."""

    socket: socket.socket

    def __init__(self, program: str, address: str = SYSLOG) -> None:
        super().__init__(address, SysLogHandler.LOG_DAEMON)
        self.ident = f"{program}[{os.getpid()}]: "
        self.setFormatter(OneLineFormatter())

    def _connect_unixsocket(self, address: str) -> None:
        super()._connect_unixsocket(address)  # type: ignore[misc]
        self.socket.setblocking(False)

    def handleError(self, record: logging.LogRecord) -> None:
        """No syslog, or one that has stopped: stderr has the line."""


class OneLineFormatter(logging.Formatter):
    """A record with its traceback in one line."""

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(_lines(self, record))


def set_up(program: str, *, is_debug: bool = False) -> None:
    """Once, at the daemon's start."""
    is_journal = _is_journal(sys.stderr.fileno())
    handler = DescriptorHandler(sys.stderr.fileno())
    handler.setFormatter(LineFormatter(program, is_journal=is_journal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    if not is_journal and not sys.stderr.isatty():
        root.addHandler(SyslogHandler(program))
    root.setLevel(logging.DEBUG if is_debug else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _is_journal(descriptor: int) -> bool:
    """systemd.exec(5): JOURNAL_STREAM is DEVICE:INODE of the journal's socket; a service's
    children inherit the name, and stderr may be something else by then."""
    found = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _lines(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """The message, whatever it holds, is one; each line of a traceback another."""
    traced = formatter.formatException(record.exc_info).splitlines() if record.exc_info else []
    return [_escaped(each) for each in (record.getMessage(), *traced)]


def _escaped(text: str) -> str:
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
