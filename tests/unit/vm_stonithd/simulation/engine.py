# SPDX-License-Identifier: GPL-2.0-or-later
"""Simulated time, and the CIB: one order of guarded writes, and a copy on each host that lags."""

from __future__ import annotations

import heapq
from random import Random
from typing import TYPE_CHECKING, Callable, Optional

from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import Standing, View

if TYPE_CHECKING:
    from collections.abc import Generator

    Process = Generator[float, None, object]

HOSTS = ("host1", "host2", "host3")
GUESTS = ("guest1", "guest2", "guest3")
Change = Callable[[View], Optional[View]]


class Engine:
    """A clock that jumps from event to event; processes are generators that yield delays."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 1000.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def later(self, delay: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay, self._count, act))

    def spawn(self, process: Process, is_alive: Callable[[], bool] = lambda: True) -> None:
        def resume() -> None:
            if not is_alive():
                process.close()
                return
            try:
                delay = next(process)
            except StopIteration:
                return
            self.later(delay, resume)

        self.later(0.0, resume)

    def run(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = until

    def between(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


class Cib:
    """Writes are judged on the head, in one order; hosts see them in that order, later."""

    def __init__(self, engine: Engine, head: View) -> None:
        self.engine = engine
        self.versions = [head]
        self.seen = dict.fromkeys(HOSTS, 0)
        # Hosts that are cut off: None writes or hears anything there.
        self.cut: set[str] = set()
        # Writes stop between the loss of a host and corosync's notice of it.
        self.blocked_until = 0.0
        self.on_change: list[Callable[[str], None]] = []
        self.slow_writes = 0.0

    @property
    def head(self) -> View:
        return self.versions[-1]

    def local(self, host: str) -> View:
        view = self.versions[self.seen[host]]
        if host in self.cut and self.engine.now > self.blocked_until:
            lost = {h: s if h == host else Standing.OTHER for h, s in view.hosts.items()}
            return view._replace(quorum=False, hosts=lost)
        return view

    def change(self, change: Change) -> bool:
        """At once: for what happens inside Pacemaker."""
        new = change(self.head)
        if new is None:
            return False
        self.versions.append(new)
        version = len(self.versions) - 1
        for host in HOSTS:
            if host not in self.cut:
                self.engine.later(self.engine.between(0.002, 0.04), self._arrive(host, version))
        return True

    def _arrive(self, host: str, version: int) -> Callable[[], None]:
        def arrive() -> None:
            if host not in self.cut and version > self.seen[host]:
                self.seen[host] = version
                for listener in self.on_change:
                    listener(host)

        return arrive

    def write(self, host: str, change: Change, done: Callable[[Outcome], None]) -> None:
        """As cibadmin: the answer may say time-out for a write that comes later all the same."""
        engine = self.engine
        if host in self.cut:
            engine.later(2.0, lambda: done(Outcome.TIMED_OUT))
            return
        is_slow = engine.chance(self.slow_writes)
        delay = engine.between(0.01, 3.0 if is_slow else 0.05)

        def apply() -> None:
            if engine.now < self.blocked_until:
                engine.later(self.blocked_until - engine.now, apply)
                return
            outcome = Outcome.NOT_MATCHED
            if host in self.cut:
                outcome = Outcome.TIMED_OUT
            elif self.change(change):
                outcome = Outcome.DONE
                version = len(self.versions) - 1
                self._arrive(host, version)()
            if not is_slow:
                done(outcome)

        engine.later(delay, apply)
        if is_slow:
            engine.later(1.0, lambda: done(Outcome.TIMED_OUT))
