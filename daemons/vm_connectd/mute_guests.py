# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at all guests' pulses, and tells the other hosts which guests of this one are mute.

By a private attribute in attrd, never in the CIB: no transition starts for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from daemons.vm_connectd import pulse
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.fencing import mute
from pmkvm.pacemaker import attributes
from pmkvm.service.thread_calls import ThreadCalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from daemons.vm_connectd.channel import Channel

log = logging.getLogger(__name__)

SAY_S = 3.0
# While attrd does not take it.
RETRY_S = 30.0
# A call that hangs is one; the next is tried beside it.
CALLS_AT_A_TIME = 2


class MuteGuests:
    """told: the ids of the resources that attrd has taken last; None before."""

    def __init__(self, channels: Callable[[], Iterable[Channel]]) -> None:
        self.told: frozenset[str] | None = None
        self.trouble = ""
        self._channels = channels
        self._calls = ThreadCalls(CALLS_AT_A_TIME)
        self._tell_at = 0.0

    @property
    def state(self) -> str:
        return self.trouble or ("not told yet" if self.told is None else "told")

    @property
    def hanging(self) -> list[str]:
        return self._calls.hanging

    async def run(self) -> None:
        while True:
            await asyncio.sleep(pulse.LOOK_S)
            found = self.look(time.monotonic())
            if self._is_due(found, time.monotonic()):
                await self._tell(found)

    def look(self, now: float) -> frozenset[str]:
        channels = list(self._channels())
        for each in channels:
            each.look(now)
        return frozenset(each.target.resource for each in channels if each.is_mute)

    def _is_due(self, found: frozenset[str], now: float) -> bool:
        has_changed = found != self.told and not self.trouble
        return has_changed or now >= self._tell_at

    async def _tell(self, found: frozenset[str]) -> None:
        work = partial(_say, mute.encode(time.time(), found), Deadline(SAY_S))
        try:
            await self._calls.call("telling attrd which guests are mute", work, SAY_S + 1)
        except (HaError, OSError, MemoryError) as error:
            self._note(f"attrd does not take which guests are mute: {reason_of(error)}")
            self._tell_at = time.monotonic() + RETRY_S
            return
        self._note("")
        self.told = found
        self._tell_at = time.monotonic() + mute.REPEAT_S

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("%s", trouble)
        self.trouble = trouble


def _say(text: str, deadline: Deadline) -> None:
    """In a thread. Raises HaError."""
    attributes.say(mute.ATTRIBUTE, text, deadline)
