# SPDX-License-Identifier: GPL-2.0-or-later
"""When each QEMU of a guest lived, by a look at the process table every few milliseconds."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from tests.lab.guests import Guest, Guests
    from tests.lab.process import Process

PERIOD_S = 0.02


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
        for host, process in self._guests.processes(self._guest):
            first = self._seen[process].first_s if process in self._seen else now
            self._seen[process] = Life(host, first, now)
