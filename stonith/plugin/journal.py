# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the plugins write: a fence is one line in the system's log, a complaint is on stderr.

The facility is HA_LOGFACILITY, else daemon, as ha_log.sh has it; HA_LOGFILE gets it too.
pacemaker-fenced puts an agent's stderr into its own log, so nothing is said in both places but
to a person at a terminal.
"""

from __future__ import annotations

import io

from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.ocf.log import Log, one_line
from pmkvm.thread_call import call_in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

# A log daemon that has stopped blocks its writers; a fence that is done must not fail by that.
_LOGGING_S = 1.0
_FACILITIES = ("HA_LOGFACILITY", "HA_logfacility")


class Journal:
    """One run's words. A destination that can't be written fails nothing."""

    def __init__(
        self,
        ident: str,
        env: Mapping[str, str],
        stderr: TextIO,
        *,
        is_quiet: bool = False,
        is_verbose: bool = False,
        debug_file: str = "",
    ) -> None:
        self._stderr = stderr
        self._is_quiet = is_quiet
        self._is_verbose = is_verbose
        self._debug_file = debug_file
        # The terminal's part is done here: what Log itself would say there is thrown away.
        known = any(env.get(name) for name in _FACILITIES)
        self._log = Log(ident, env if known else {**env, _FACILITIES[0]: "daemon"}, io.StringIO())

    def record(self, line: str, *, is_good: bool) -> None:
        """The one line of a fence."""
        if self._is_verbose or self._stderr.isatty():
            self._say("INFO" if is_good else "ERROR", line)
        self._debug(line)
        if not self._stderr.isatty():
            write = self._log.info if is_good else self._log.error
            try:
                call_in_thread(Deadline(_LOGGING_S), "logging", lambda: write(line))
            except DeadlineError:
                self._say("WARNING", f"the system's log does not take this: {line}")

    def complain(self, line: str) -> None:
        """Why this run fails."""
        self._say("ERROR", line)
        self._debug(line)

    def detail(self, line: str) -> None:
        if self._is_verbose:
            self._say("DEBUG", line)
        self._debug(line)

    def _say(self, level: str, line: str) -> None:
        if not self._is_quiet:
            print(f"{level}: {one_line(line)}", file=self._stderr, flush=True)

    def _debug(self, line: str) -> None:
        if self._debug_file:
            try:
                with open(self._debug_file, "a", encoding="utf-8", errors="replace") as file:
                    file.write(f"{one_line(line)}\n")
            except OSError as error:
                self._say("WARNING", f"{self._debug_file}: {error.strerror}")
                self._debug_file = ""
