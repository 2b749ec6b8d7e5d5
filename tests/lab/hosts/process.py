# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes known by number and start time, never by name.

Starting one that outlives its starter, finding its children, killing it through a pidfd.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from pathlib import Path
from typing import NamedTuple

from pmkvm.run import run
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DETACH = str(Path(__file__).with_name("detach.py"))
CHECKOUT = str(Path(__file__).resolve().parents[3])


class Process(NamedTuple):
    """One process of this machine, and no later one with the same number."""

    pid: int
    start: int

    def is_alive(self) -> bool:
        """Whether any thread of it lives; its first one may be a zombie before the last is."""
        return identify(self.pid) == self and not _is_readable(self.pid)

    def executable(self) -> str:
        """Its path, empty if it has ended."""
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/{self.pid}/exe")
        return ""

    def kill(self, timeout_s: float = 10.0) -> None:
        """SIGKILL, and back only when it is seen dead; one already dead is no error."""
        with self._descriptor() as descriptor:
            if descriptor is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                if not _ends(descriptor, timeout_s):
                    raise LabError(f"process {self.pid} survives SIGKILL for {timeout_s:.0f} s")

    def send(self, number: signal.Signals) -> None:
        """A signal, to it and to no later one of its number; one already dead is no error."""
        with self._descriptor() as descriptor, contextlib.suppress(ProcessLookupError):
            if descriptor is not None:
                signal.pidfd_send_signal(descriptor, number)

    @contextlib.contextmanager
    def _descriptor(self) -> Iterator[int | None]:
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            # The number may have been given away before the descriptor was there, not after.
            yield descriptor if identify(self.pid) == self else None
        finally:
            os.close(descriptor)


def identify(pid: int) -> Process | None:
    """The process that has this number now, which may be dead and not reaped."""
    fields = _stat(pid)
    return None if fields is None else Process(pid, int(fields[19]))


def children(pid: int) -> list[Process]:
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = [identify(int(each)) for each in pids]
    return [process for process in found if process is not None and process.is_alive()]


def every() -> list[int]:
    """The numbers of all processes of this machine."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read_pidfile(path: str) -> Process | None:
    """The living process that detach() recorded there, if it still lives."""
    try:
        pid, start = Path(path).read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    process = Process(int(pid), int(start))
    return process if process.is_alive() else None


def detach(
    pidfile: str,
    log: str,
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a program that outlives this one; its identity is in pidfile before it runs."""
    done = run(
        [sys.executable, "-I", DETACH, pidfile, log, *argv],
        timeout_s=10,
        environment={"PYTHONPATH": CHECKOUT, **(environment or {})},
    )
    process = read_pidfile(pidfile)
    if done.rc != 0 or process is None:
        raise LabError(f"{argv[0]} did not start: {done.err.strip() or tail(log)}")
    return process


def tail(path: str, lines: int = 15) -> str:
    """The end of a log, for an error message."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return f"(no {path})"
    return "\n".join(text.splitlines()[-lines:])


def _is_readable(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return _ends(descriptor, 0)
    finally:
        os.close(descriptor)


def _ends(descriptor: int, timeout_s: float) -> bool:
    """A pidfd is readable once the last thread of the process is gone."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; the name before may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
