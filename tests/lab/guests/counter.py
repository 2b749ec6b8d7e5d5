# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest's console tells: which boot it is in, how long it was not running.

A guest prints `TICK <boot> <centiseconds of its own uptime>` ten times a second.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from pmkvm.deadline import Deadline
from tests.lab.errors import LabError
from tests.lab.watcher import Watcher

TICK_S = 0.1
PERIOD_S = 0.01
# A small guest boots in some seconds, and beside ten others that compute in many times as many.
BOOT_S = 120.0
# One that runs ticks in this time, though it may have to wait for its turn.
TICKING_S = 10.0


class Tick(NamedTuple):
    """One line of the counter."""

    boot: str
    uptime_s: float


class Counter:
    """Reads a console file, which several hosts append to one after the other."""

    def __init__(self, path: str) -> None:
        self.path = path

    def ticks(self) -> list[Tick]:
        try:
            text = Path(self.path).read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return []
        lines = (line.split() for line in text.splitlines())
        return [
            Tick(fields[1], int(fields[2]) / 100)
            for fields in lines
            # A host that died may have left half a line.
            if len(fields) == 3 and fields[0] == "TICK" and fields[2].isdigit()
        ]

    def latest(self) -> Tick | None:
        return next(iter(self.ticks()[-1:]), None)

    def boot(self) -> str | None:
        """The boot that the guest is or was in; another one after a restart."""
        tick = self.latest()
        return None if tick is None else tick.boot

    def boots(self) -> list[str]:
        """Every boot of this guest, the first one first."""
        return list(dict.fromkeys(tick.boot for tick in self.ticks()))

    def console(self) -> str:
        return Path(self.path).read_text(encoding="utf-8", errors="replace")

    def is_going_back(self) -> bool:
        """Two guests of one name ran at once, or an old state came back: boots interleave."""
        order = [tick.boot for tick in self.ticks()]
        changes = sum(1 for one, other in zip(order, order[1:]) if one != other)
        return changes >= len(set(order)) > 0

    def wait_for_boot(self, timeout_s: float = BOOT_S, *, other_than: str | None = None) -> Tick:
        """The first tick of a guest that counts (in another boot than the one named)."""
        deadline = Deadline(timeout_s)
        while True:
            tick = self.latest()
            if tick is not None and tick.boot != other_than:
                return tick
            if deadline.expired():
                raise LabError(f"{self.path}: no new tick within {timeout_s:.0f} s")
            deadline.pause(0.05)

    def is_ticking(self, within_s: float = TICKING_S) -> bool:
        """Whether a new tick arrives in that time."""
        before = len(self.ticks())
        deadline = Deadline(within_s)
        while not deadline.expired():
            if len(self.ticks()) > before:
                return True
            deadline.pause(0.05)
        return False

    def wait_for_tick(self, timeout_s: float = BOOT_S) -> Tick:
        """The next one, of whatever boot: what stands there may be of a life that is over."""
        if self.is_ticking(timeout_s):
            tick = self.latest()
            if tick is not None:
                return tick
        raise LabError(f"{self.path}: no tick within {timeout_s:.0f} s")

    def watch(self) -> Watch:
        """Measure, as a context: with counter.watch() as watch: ...; watch.longest_silence_s."""
        return Watch(self.path)


class Watch(Watcher):
    """Takes the time at which ticks arrive in the file, on the clock of this machine."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._read = os.stat(path).st_size
        self._last_s = time.monotonic()
        self.longest_silence_s = 0.0
        self.arrivals = 0

    def look(self) -> float:
        with open(self._path, "rb") as file:
            file.seek(self._read)
            new = file.read()
        now = time.monotonic()
        # A silence that still lasts counts too.
        self.longest_silence_s = max(self.longest_silence_s, now - self._last_s)
        self._read += len(new)
        arrived = new.count(b"TICK")
        if arrived:
            self.arrivals += arrived
            self._last_s = now
        return PERIOD_S
