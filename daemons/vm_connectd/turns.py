# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose turn it is: all guests together get so much of this daemon's one thread, and no more.

What a guest has said waits for its turn, and nothing more is read of it until then. Who has used
least lately comes first, and who has used less than its equal part of that share needs not wait
until the others have paid for what they have used beyond theirs. So an honest guest, which speaks
seldom, waits for one turn of another's at the most, however many others speak without end.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Callable
from weakref import WeakSet

from daemons.vm_connectd import limits
from daemons.vm_connectd.alarm import Alarm
from pmkvm.service.bucket import Bucket

Work = Callable[[], None]


class Account:
    """What one guest has used lately: seconds of the thread, forgotten by and by."""

    def __init__(self) -> None:
        self._used_s = 0.0
        self._at = 0.0

    def used_s(self, now: float) -> float:
        return self._used_s * math.exp((self._at - now) / limits.LATELY_S)

    def add(self, seconds: float, now: float) -> None:
        self._used_s, self._at = self.used_s(now) + seconds, now


class Turns:
    """Who waits, and what is left for them. Pure; times are the caller's monotonic clock."""

    def __init__(self, now: float) -> None:
        self._accounts: WeakSet[Account] = WeakSet()
        self._waiting: list[tuple[Account, Work]] = []
        self._left = Bucket(limits.GUESTS_SHARE, limits.GUESTS_BURST_S, now)

    def account(self) -> Account:
        """A new guest's."""
        made = Account()
        self._accounts.add(made)
        return made

    def join(self, account: Account, work: Work) -> None:
        self._waiting.append((account, work))

    def wait_s(self, now: float) -> float | None:
        """Until the next turn, None if nobody waits."""
        if not self._waiting:
            return None
        part_s = limits.GUESTS_SHARE * limits.LATELY_S / len(self._accounts)
        if self._waiting[self._next(now)][0].used_s(now) < part_s:
            return 0.0
        return self._left.take_anyway(0.0, now)

    def take(self, now: float) -> tuple[Account, Work]:
        return self._waiting.pop(self._next(now))

    def _next(self, now: float) -> int:
        """Who has used least, of those the one that has waited longest."""
        return min(range(len(self._waiting)), key=lambda each: self._waiting[each][0].used_s(now))

    def spend(self, account: Account, seconds: float, now: float) -> None:
        account.add(seconds, now)
        self._left.take_anyway(seconds, now)


class Turnstile:
    """Gives the turns in the running loop, one in each round of it."""

    def __init__(self) -> None:
        self._turns = Turns(time.monotonic())
        self._alarm = Alarm(self._go)

    def lane(self) -> Callable[[Work], None]:
        """A guest's way to its turns: what it is given is done when it is due."""
        return partial(self._ask, self._turns.account())

    def _ask(self, account: Account, work: Work) -> None:
        self._turns.join(account, work)
        self._set()

    def _set(self) -> None:
        now = time.monotonic()
        wait_s = self._turns.wait_s(now)
        self._alarm.set(None if wait_s is None else now + wait_s)

    def _go(self) -> None:
        now = time.monotonic()
        if self._turns.wait_s(now) != 0.0:
            # It was set for one that has had its turn.
            self._set()
            return
        account, work = self._turns.take(now)
        began = time.thread_time()
        try:
            work()
        finally:
            self._turns.spend(account, time.thread_time() - began, time.monotonic())
            self._set()
