# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_stonith: the face for Pacemaker's fencer, as FenceAgentAPI.md wants it.

Parameters are name=value lines on stdin, or options. A target is never taken for off, or a fence
for done, but by vm-stonithd's own words.
"""

from __future__ import annotations

import os
import sys
import time

from pmkvm import thread_call
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.version import VERSION
from stonith.plugin import parameters
from stonith.plugin.journal import Journal
from stonith.plugin.parameters import ParameterError
from stonith.vm_stonith import options
from stonith.vm_stonith.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TextIO

    from stonith.plugin.answer import Answer, Operation
    from stonith.plugin.parameters import Device, Entry

NAME = "fence_vm_stonith"
DONE = 0
FAILED = 1
IS_OFF = 2

DEFAULT_ACTION = "reboot"
_FENCES: dict[str, tuple[Operation, str]] = {
    "on": ("on", "Success: Powered ON"),
    "off": ("off", "Success: Powered OFF"),
    "reboot": ("reset", "Success: Rebooted"),
}
# Pacemaker names the target by the parameter that the metadata has, and by nodename always.
_TARGET = ("plug", "port", "nodename")


class Run:
    """One run of the agent: its parameters, and where its words go."""

    def __init__(self, values: dict[str, str], stdout: TextIO, journal: Journal) -> None:
        self._values = values
        self._stdout = stdout
        self._journal = journal

    def do(self, action: str) -> int:
        """Raises ParameterError."""
        device = parameters.device(self._values)
        delay_s = self._delay_s()
        if action in _FENCES:
            return self._fence(action, self._target(device), device, delay_s)
        return _OTHERS[action](self, device)

    def _fence(self, action: str, entry: Entry, device: Device, delay_s: float) -> int:
        from stonith.vm_stonith import request

        operation, success = _FENCES[action]
        if operation != "on":
            time.sleep(delay_s)
        answered = request.fence(operation, entry, Deadline(device.timeout_s), self._journal)
        if not answered.is_ok:
            self._journal.complain(f"{action} of {entry.host}: {answered}")
            return FAILED
        self._print(success)
        return DONE

    def status(self, device: Device) -> int:
        entry = self._target(device)
        answered = self._ask(entry, Deadline(device.timeout_s))
        if not answered.is_ok or not answered.power:
            known = "the host does not say" if answered.is_ok else answered
            self._journal.complain(f"status of {entry.host}: {known}")
            return FAILED
        self._print(f"Status: {answered.power.upper()}")
        return DONE if answered.power == "on" else IS_OFF

    def monitor(self, device: Device) -> int:
        """All the way to vm-stonithd, with each token."""
        deadline = Deadline(device.timeout_s)
        answers = [(entry, self._ask(entry, deadline)) for entry in device.entries]
        for entry, answered in answers:
            if not answered.is_ok:
                self._journal.complain(f"monitor, {entry.host}: {answered}")
        return DONE if all(answered.is_ok for _, answered in answers) else FAILED

    def list(self, device: Device) -> int:
        """What can be fenced; known while the hosts can't be reached, too."""
        for entry in device.entries:
            self._print(f"{entry.host},")
        return DONE

    def list_status(self, device: Device) -> int:
        deadline = Deadline(device.timeout_s)
        for entry in device.entries:
            answered = self._ask(entry, deadline)
            power = answered.power.upper() if answered.is_ok and answered.power else "UNKNOWN"
            self._print(f"{entry.host},,{power}")
        return DONE

    def validate(self, device: Device) -> int:
        if any(self._values.get(name) for name in _TARGET):
            self._target(device)
        return DONE

    def _ask(self, entry: Entry, deadline: Deadline) -> Answer:
        from stonith.vm_stonith import request

        return request.ask("status", entry, deadline, self._journal)

    def _target(self, device: Device) -> Entry:
        name = next((self._values[name] for name in _TARGET if self._values.get(name)), "")
        entry = device.find(name)
        if entry is None:
            raise ParameterError(
                f"{name}: there is no such guest in hostlist" if name else "plug is not set"
            )
        return entry

    def _delay_s(self) -> float:
        seconds = parameters.seconds(self._values.get("delay") or "0")
        if seconds is None:
            raise ParameterError(f"delay is no number of seconds up to {parameters.LONGEST_S:.0f}")
        return seconds

    def _print(self, line: str) -> None:
        print(line, file=self._stdout, flush=True)


_OTHERS: dict[str, Callable[[Run, Device], int]] = {
    "status": Run.status,
    "monitor": Run.monitor,
    "list": Run.list,
    "list-status": Run.list_status,
    "validate-all": Run.validate,
}


def run(
    argv: Sequence[str],
    stdin: Iterable[str],
    env: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
) -> int:
    try:
        values = options.from_arguments(argv) if argv else options.from_stdin(stdin)
    except UsageError as error:
        print(f"{NAME}: {error}; see --help", file=stderr)
        return FAILED
    action = (values.get("action") or DEFAULT_ACTION).lower()
    text = _text(action, values)
    if text:
        print(text, file=stdout)
        return DONE
    journal = Journal(
        NAME,
        env,
        stderr,
        is_quiet=options.is_set(values, "quiet"),
        is_verbose=options.is_set(values, "verbose"),
        debug_file=values.get("debug_file", ""),
    )
    try:
        if action not in _FENCES and action not in _OTHERS:
            raise ParameterError(f"there is no such action: {action}")
        return Run(values, stdout, journal).do(action)
    except HaError as error:
        journal.complain(str(error))
        return FAILED


def _text(action: str, values: dict[str, str]) -> str:
    """What needs no device."""
    from stonith.vm_stonith import description

    if options.is_set(values, "help"):
        return description.usage()
    if options.is_set(values, "version"):
        return f"{NAME} {VERSION}"
    if action in ("metadata", "meta-data"):
        return description.metadata()
    return description.manpage() if action == "manpage" else ""


def main() -> int:
    # A name that is no UTF-8 is simply not found.
    with open(0, encoding="utf-8", errors="replace", closefd=False) as stdin:
        return thread_call.leave(run(sys.argv[1:], stdin, os.environ, sys.stdout, sys.stderr))


if __name__ == "__main__":
    sys.exit(main())
