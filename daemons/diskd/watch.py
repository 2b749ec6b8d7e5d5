# SPDX-License-Identifier: GPL-2.0-or-later
"""One disk, checked for ever: an attempt, further ones if it fails, and a pause."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from daemons.diskd.verdict import Finding

if TYPE_CHECKING:
    from typing import Callable

    from daemons.diskd.checker import Answer
    from daemons.diskd.prober import Prober
    from daemons.diskd.verdict import Pace

log = logging.getLogger(__name__)


class Watch:
    """finding: the last result. weakness: what weakens the proof that the disk answers."""

    def __init__(self, prober: Prober, pace: Pace, changed: Callable[[], None]) -> None:
        self.prober = prober
        self.weakness = ""
        self.finding = Finding(prober.target.path, time.monotonic())
        self._pace = pace
        self._changed = changed

    async def run(self) -> None:
        """From the beginning of one check to that of the next is an interval, if there is time."""
        try:
            while True:
                began = time.monotonic()
                self._judge(await self.check())
                await asyncio.sleep(max(0.0, began + self._pace.interval_s - time.monotonic()))
        finally:
            self.prober.close()

    async def check(self) -> Answer:
        """One that hangs is not tried again: there can be no second child."""
        answer = await self.prober.attempt()
        for _ in range(self._pace.retries):
            if answer.is_good or answer.is_hanging:
                break
            await asyncio.sleep(self._pace.retry_interval_s)
            answer = await self.prober.attempt()
        return answer

    def _judge(self, answer: Answer) -> None:
        path, before = self.prober.target.path, self.finding
        reason = "" if answer.is_good else answer.reason
        self.finding = Finding(path, time.monotonic(), answer.is_good, reason)
        if answer.is_good != before.is_good:
            if answer.is_good:
                log.info("%s answers", path)
            else:
                log.error("%s: %s", path, reason)
            self._changed()
        if answer.is_good and answer.reason != self.weakness:
            self.weakness = answer.reason
            if self.weakness:
                log.warning("%s: %s", path, self.weakness)
