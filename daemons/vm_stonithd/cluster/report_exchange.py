# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts' reports to each other: one private attribute of each host in attrd, never in the CIB.

doc/fencing-protocol.md, Host report.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_stonithd.model import host_report, rest
from daemons.vm_stonithd.model.events import ReportsSeen
from daemons.vm_stonithd.model.pace import pause_s
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import attributes
from pmkvm.tokens.key_report import ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.model.host_report import HostReport
    from pmkvm.service.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

SAY_S, HEAR_S = 3.0, 5.0
BUSY_S, IDLE_S = 0.03, 1.0
RETRY_S = 0.5


class ReportExchange:
    """tell gets a ReportsSeen for each reading. quiet_s says since when nothing has changed for
    those who wait (pace), may_rest whether nobody needs a word soon."""

    def __init__(
        self,
        calls: ThreadCalls,
        tell: Callable[[ReportsSeen], None],
        quiet_s: Callable[[], float],
        may_rest: Callable[[], bool],
    ) -> None:
        self.state = "not heard yet"
        self._calls = calls
        self._tell = tell
        self._quiet_s = quiet_s
        self._may_rest = may_rest
        self._taken: HostReport | None = None
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Listen now."""
        self._asked.set()

    async def say(self, own: HostReport) -> bool:
        """Whether attrd has taken it."""
        work = partial(_write, own, Deadline(SAY_S))
        try:
            await self._calls.call("speaking to attrd", work, SAY_S + 1)
        except (HaError, OSError, MemoryError) as error:
            log.warning("attrd does not take this host's report: %s", reason_of(error))
            self._taken = None
            return False
        if self._taken is None or own[1:] != self._taken[1:]:
            # Whether attrd has it is seen by hearing it; of `up` alone at the next time.
            self.ask()
        self._taken = own
        return True

    async def run(self) -> None:
        while True:
            self._asked.clear()
            began = time.monotonic()
            try:
                heard = await self._calls.call(
                    "listening to attrd", partial(_read, Deadline(HEAR_S)), HEAR_S
                )
            except (HaError, OSError, MemoryError) as error:
                self._note(f"attrd does not answer: {reason_of(error)}")
                await asyncio.sleep(RETRY_S)
                continue
            self._note("heard")
            self._tell(ReportsSeen(heard, began))
            await self._pause()

    async def _pause(self) -> None:
        try:
            rest_s = rest.HEAR_S if self._may_rest() else IDLE_S
            wait_s = pause_s(self._quiet_s(), BUSY_S, rest_s)
            await asyncio.wait_for(self._asked.wait(), wait_s)
        except asyncio.TimeoutError:
            return

    def _note(self, state: str) -> None:
        if state != self.state:
            log.log(logging.INFO if state == "heard" else logging.WARNING, "reports: %s", state)
        self.state = state


def _write(own: HostReport, deadline: Deadline) -> None:
    """Back when attrd has taken it. Raises HaError."""
    attributes.say(ATTRIBUTE, host_report.encode(own), deadline)


def _read(deadline: Deadline) -> dict[str, HostReport]:
    """All hosts' reports. Raises HaError."""
    return decoded(attributes.hear(ATTRIBUTE, deadline))


def decoded(values: dict[str, str]) -> dict[str, HostReport]:
    """A host without a report, or with one that can't be read, is not in it."""
    read = {host: host_report.decode(text) for host, text in values.items()}
    return {host: each for host, each in read.items() if each is not None}
