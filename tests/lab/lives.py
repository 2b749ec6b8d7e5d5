# SPDX-License-Identifier: GPL-2.0-or-later
"""When each QEMU of a guest lived, by a look at the process table every few milliseconds."""

from __future__ import annotations

import os
import threading
import time
from typing import NamedTuple

from tests.lab.process import every, identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from tests.lab.guests import Guest, Guests
    from tests.lab.process import Process

PERIOD_S = 0.02
# A process that is not a QEMU at this age won't become one, so it is not looked at again.
SETTLED_S = 15.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Life(NamedTuple):
    """One QEMU: it was alive at both of these times of day."""

    host: str
    first_s: float
    last_s: float


class Lives:
    """Watches while it is a context: with Lives(guests, guest) as lives: ..."""

    def __init__(self, guests: Guests, guest: Guest) -> None:
        self._guests, self._guest = guests, guest
        self._seen: dict[Process, Life] = {}
        # When the process of each number settles (CLOCK_BOOTTIME).
        self._others: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Lives:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(10)

    def all(self) -> list[Life]:
        """In the order in which they began."""
        return sorted(self._seen.copy().values(), key=lambda life: life.first_s)

    def outlived(self, began_s: float, proven_s: float) -> list[Life]:
        """Those that were there before a request and were seen alive after its OK."""
        return [life for life in self.all() if life.first_s < began_s and life.last_s > proven_s]

    def _follow(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._look()

    def _look(self) -> None:
        # What is found was alive then or later, so that a late look accuses nobody.
        now = time.time()
        uptime_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        others = {pid: self._others.get(pid) or _settles_s(pid) for pid in every()}
        among = {pid for pid, settles_s in others.items() if uptime_s < settles_s}
        among |= {process.pid for process in self._seen}
        is_first = not self._others
        for host, process in self._guests.processes(self._guest, None if is_first else among):
            first = self._seen[process].first_s if process in self._seen else now
            self._seen[process] = Life(host, first, now)
        self._others = others


def _settles_s(pid: int) -> float:
    process = identify(pid)
    return SETTLED_S + (process.start / TICKS_PER_S if process is not None else 0.0)
