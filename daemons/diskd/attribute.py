# SPDX-License-Identifier: GPL-2.0-or-later
"""The node attribute: told to attrd when it changes, and again and again: attrd may forget it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.diskd import verdict
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import attributes

if TYPE_CHECKING:
    from typing import Callable

    from pmkvm.service.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

TELL_S = 3.0
# After an attrd that did not take it.
RETRY_S = 1.0
# A call of attrd_updater is the dearest part of a check that goes well.
REPEAT_S = 30.0
# A value that attrd may not have for so long is none.
STALE_S = 2 * REPEAT_S
# A disk that hangs when the daemon starts is not normal. Who starts it is told in good time.
FIRST_S = 10.0


class Attribute:
    """value: what it is to be, None while that is not known. told: what attrd has."""

    def __init__(
        self, name: str, dampen: str, value: Callable[[], str | None], calls: ThreadCalls
    ) -> None:
        self.name = name
        self.told: str | None = None
        self._dampen = dampen
        self._value = value
        self._calls = calls
        self._told_at = float("-inf")
        self._trouble = ""
        self._changed = asyncio.Event()

    def change(self) -> None:
        """There may be another value."""
        self._changed.set()

    @property
    def complaint(self) -> str:
        """Why attrd may not have the value; empty if it has."""
        if time.monotonic() - self._told_at <= STALE_S:
            return ""
        return f"attribute {self.name} is not set" + (f": {self._trouble}" if self._trouble else "")

    async def run(self, ready: Callable[[], None]) -> None:
        """ready is called when attrd has a value for the first time."""
        first_until = time.monotonic() + FIRST_S
        while True:
            self._changed.clear()
            value = self._value()
            if value is None and time.monotonic() >= first_until:
                # Rules of Pacemaker take a value that is not there for an error as well.
                value = verdict.ERROR
                if self.told is None:
                    log.error("%s is %s until all disks have answered once", self.name, value)
            if value is not None and self._is_due(value):
                was_told = self.told is not None
                if await self._tell(value) and not was_told:
                    ready()
            await self._pause(first_until)

    def _is_due(self, value: str) -> bool:
        return value != self.told or time.monotonic() >= self._told_at + REPEAT_S

    async def _pause(self, first_until: float) -> None:
        now = time.monotonic()
        until = self._told_at + REPEAT_S
        if self._trouble:
            until = now + RETRY_S
        elif self.told is None:
            until = first_until
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(0.01, until - now))

    async def _tell(self, value: str) -> bool:
        # Also what it waits is set, once: it may have been another in the life before.
        tell = attributes.publish_with_delay if self.told is None else attributes.publish
        work = partial(tell, self.name, value, self._dampen, Deadline(TELL_S))
        call = asyncio.ensure_future(self._calls.call(f"setting {self.name}", work, TELL_S + 1))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            # After our end the attribute is deleted: nobody may set it then.
            await asyncio.wait([call], timeout=TELL_S + 1)
            raise
        except (HaError, OSError, MemoryError) as error:
            self._note(f"attrd did not take {value}: {reason_of(error)}")
            return False
        self.told, self._told_at = value, time.monotonic()
        self._note("")
        return True

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("%s: %s", self.name, trouble)
        elif self._trouble and not trouble:
            log.info("%s: attrd takes it again", self.name)
        self._trouble = trouble
