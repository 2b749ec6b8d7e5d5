# SPDX-License-Identifier: GPL-2.0-or-later
"""Logging as ocf_log does it, so that agents in Python and in shell share one log.

A terminal gets stderr only. Otherwise the syslog facility that HA_LOGFACILITY names
("none" is off) and the file HA_LOGFILE; with neither, stderr. Debug only if HA_debug is
neither empty nor 0, then also to HA_DEBUGLOG. Source: ocf-shellfuncs; pacemaker-execd
exports these names.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_PRIORITIES = {
    "ERROR": "LOG_ERR",
    "WARNING": "LOG_WARNING",
    "INFO": "LOG_INFO",
    "DEBUG": "LOG_DEBUG",
}

_OFF = ("none", "/dev/null")


class Log:
    """Writes lines of one action; a destination that can't be written never fails the action."""

    def __init__(self, ident: str, env: Mapping[str, str], stderr: TextIO) -> None:
        self._ident = f"{ident}[{os.getpid()}]"
        self._stderr = stderr
        self._on_terminal = stderr.isatty()
        self._facility = env.get("HA_LOGFACILITY") or env.get("HA_logfacility") or ""
        if self._facility in _OFF:
            self._facility = ""
        self._file = env.get("HA_LOGFILE") or env.get("HA_logfile") or ""
        self._debug_file = env.get("HA_DEBUGLOG") or env.get("HA_debugfile") or ""
        self._debugging = env.get("HA_debug", "") not in ("", "0")

    def error(self, text: str) -> None:
        self._write("ERROR", text)

    def warning(self, text: str) -> None:
        self._write("WARNING", text)

    def info(self, text: str) -> None:
        self._write("INFO", text)

    def debug(self, text: str) -> None:
        if self._debugging:
            self._write("DEBUG", text)

    def _write(self, level: str, text: str) -> None:
        line = one_line(text)
        if self._on_terminal or not (self._facility or self._file):
            print(f"{level}: {line}", file=self._stderr, flush=True)
            return
        if self._facility:
            _to_syslog(self._ident, self._facility, level, line)
        if self._file:
            self._append(self._file, level, line)
        if self._debugging and self._debug_file not in ("", self._file):
            self._append(self._debug_file, level, line)

    def _append(self, path: str, level: str, line: str) -> None:
        import time

        stamp = time.strftime("%b %d %H:%M:%S")
        try:
            with open(path, "a", encoding="utf-8", errors="replace") as file:
                file.write(f"{self._ident}:\t{stamp} {level}: {line}\n")
        except OSError as error:
            print(f"WARNING: {path}: {error.strerror}; {level}: {line}", file=self._stderr)


def one_line(text: str) -> str:
    """The text without line breaks and control characters, so that nobody forges a log line."""
    return "".join(letter if letter.isprintable() else " " for letter in text.strip())


def _to_syslog(ident: str, facility: str, level: str, line: str) -> None:
    """An unknown facility is daemon. Loaded here only: most monitors have nothing to say."""
    import syslog

    number = getattr(syslog, f"LOG_{facility.upper()}", syslog.LOG_DAEMON)
    syslog.openlog(ident, 0, number if isinstance(number, int) else syslog.LOG_DAEMON)
    syslog.syslog(getattr(syslog, _PRIORITIES[level]), f"{level}: {line}")
