# SPDX-License-Identifier: GPL-2.0-or-later
"""When each QEMU of a guest lived, by a look at the process table every few milliseconds."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from tests.lab.hosts.process import every, identify
from tests.lab.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.guests import Guest, Guests
    from tests.lab.hosts.process import Process

PERIOD_S = 0.02
# A process that is not a QEMU at this age won't become one, so it is not looked at again.
SETTLED_S = 15.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# A virtual CPU that waits for its first instruction takes less than one, one that runs two in no
# time.
RAN_TICKS = 2


class Life(NamedTuple):
    """One QEMU: it was seen alive at first_s and at last_s, which are times of day.

    has_run: whether its guest did: a start under a ban may leave one that never does. A look may
    come late, so it may have lived for longer than that: not before began_s, when its process was
    started, and not after gone_s, when it was missed for the first time. None: not known.
    """

    host: str
    first_s: float
    last_s: float
    has_run: bool = True
    began_s: float | None = None
    gone_s: float | None = None

    def may_have_lived(self, since_s: float, until_s: float) -> bool:
        """Whether it can have been alive at any time between these two."""
        is_later = self.began_s is not None and self.began_s > until_s
        is_earlier = self.gone_s is not None and self.gone_s < since_s
        return not is_later and not is_earlier


class Lives(Watcher):
    """Watches while it is a context: with Lives(guests, guest) as lives: ...; None: all guests."""

    def __init__(self, guests: Guests, guest: Guest | None) -> None:
        super().__init__()
        self._guests, self._guest = guests, guest
        self._seen: dict[Process, Life] = {}
        # When the process of each number settles (CLOCK_BOOTTIME).
        self._others: dict[int, float] = {}
        # When the last whole look began: who lives on was seen then, or later.
        self.looked_s = 0.0

    def all(self) -> list[Life]:
        """In the order in which they began."""
        return sorted(self._seen.copy().values(), key=lambda life: life.first_s)

    def outlived(self, began_s: float, proven_s: float) -> list[Life]:
        """Those that were there before a request and were seen alive after its OK."""
        return [life for life in self.all() if life.first_s < began_s and life.last_s > proven_s]

    def look(self) -> float:
        # What is found was alive then or later, so that a late look accuses nobody.
        now = time.time()
        uptime_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        others = {pid: self._others.get(pid) or _settles_s(pid) for pid in every()}
        among = {pid for pid, settles_s in others.items() if uptime_s < settles_s}
        among |= {process.pid for process in self._seen}
        is_first = not self._others
        found = self._guests.processes(self._guest, None if is_first else among)
        for host, process in found:
            known = self._seen.get(process) or Life(
                host, now, now, has_run=False, began_s=begin_of(process, now, uptime_s)
            )
            has_run = known.has_run or _has_run(process.pid)
            self._seen[process] = known._replace(
                host=host, last_s=now, has_run=has_run, gone_s=None
            )
        self._miss({process for _, process in found})
        self._others = others
        self.looked_s = now
        return PERIOD_S

    def _miss(self, found: set[Process]) -> None:
        """Those that this look has not found have ended by now."""
        gone_s = time.time()
        for process, life in self._seen.items():
            if process not in found and life.gone_s is None:
                self._seen[process] = life._replace(gone_s=gone_s)


def begin_of(process: Process, now: float, uptime_s: float) -> float:
    """The time of day at which a process was started; both clocks as they were at one moment."""
    return min(now, now - uptime_s + process.start / TICKS_PER_S)


def _has_run(pid: int) -> bool:
    """By the time that the kernel counts for its virtual CPUs."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                _number, _, rest = (thread / "stat").read_text(encoding="utf-8").partition("(")
                name, _, fields = rest.rpartition(")")
                ticks = sum(map(int, fields.split()[11:13]))
                if name.startswith(("CPU ", "ALL CPUs")) and ticks >= RAN_TICKS:
                    return True
    return False


def _settles_s(pid: int) -> float:
    process = identify(pid)
    return SETTLED_S + (process.start / TICKS_PER_S if process is not None else 0.0)
