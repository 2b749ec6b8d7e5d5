# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's attributes in attrd: written when they change, and again and again: attrd may forget
them. What is no longer to be there is taken back, at the end all of them."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.ifcheckd.picture import DEAD
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pmkvm.service.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

TELL_S = 3.0
REPEAT_S = 60.0
# For all of them together, when the daemon ends.
CLEAR_S = 3.0


class Board:
    """told: what attrd has, as far as it is known. trouble: why it may not have what it should."""

    def __init__(self, dampen: str, calls: ThreadCalls) -> None:
        self.told: dict[str, str] = {}
        self.trouble = ""
        self._dampen = dampen
        self._calls = calls
        self._known: set[str] = set()
        self._repeated_at = float("-inf")

    async def show(self, wanted: Mapping[str, str]) -> bool:
        """Whether attrd has these now, and no others of ours. The first refusal ends the attempt:
        an attrd that hangs is not asked once for each of them."""
        is_repeat = time.monotonic() >= self._repeated_at + REPEAT_S
        try:
            for name in sorted(set(self.told) - set(wanted)):
                await self._withdraw(name, TELL_S)
            for name, value in wanted.items():
                if is_repeat or self.told.get(name) != value:
                    await self._tell(name, value)
        except (HaError, OSError, MemoryError) as error:
            self._note(f"attrd does not take the attributes: {reason_of(error)}")
            return False
        if is_repeat:
            self._repeated_at = time.monotonic()
        self._note("")
        return True

    async def clear(self) -> None:
        """No attribute outlives the daemon that stood for it."""
        deadline = Deadline(CLEAR_S)
        try:
            for name in sorted(self.told):
                await self._withdraw(name, deadline.remaining())
        except (HaError, OSError, MemoryError) as error:
            left = ", ".join(sorted(self.told))
            log.warning("not taken back from attrd: %s: %s", left, reason_of(error))

    async def _tell(self, name: str, value: str) -> None:
        # Also what attrd waits is set, once: it may have been another in the life before.
        tell = attributes.publish if name in self._known else attributes.publish_with_delay
        # Whatever becomes of the call: attrd may have it.
        self.told.setdefault(name, "")
        await self._call(partial(tell, name, value, self._dampen, Deadline(TELL_S)), TELL_S)
        self._known.add(name)
        if self.told[name] != value:
            log.log(logging.WARNING if value == DEAD else logging.INFO, "%s is %s", name, value)
        self.told[name] = value

    async def _withdraw(self, name: str, seconds: float) -> None:
        await self._call(partial(attributes.withdraw, name, Deadline(seconds)), seconds)
        del self.told[name]
        log.info("%s is not known any more", name)

    async def _call(self, work: Callable[[], None], seconds: float) -> None:
        call = asyncio.ensure_future(self._calls.call("speaking to attrd", work, seconds + 1))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            # What follows is the end of all attributes: nobody may set one then.
            await asyncio.wait([call], timeout=seconds + 1)
            raise

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("%s", trouble)
        elif self.trouble and not trouble:
            log.info("attrd takes the attributes again")
        self.trouble = trouble
