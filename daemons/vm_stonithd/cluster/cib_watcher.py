# SPDX-License-Identifier: GPL-2.0-or-later
"""The watch on the cluster: one reading after the other, each told when it is whole.

Pacemaker replaces the CIB's file when the configuration changes, as a ban does: that is looked at
20 times a second, which costs nothing. Histories change without it, so it is read each second
besides, and more often while a fence makes progress. While no ban stands, nothing is asked and
nothing is owed, only the bans are asked for each second, and the whole now and then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from daemons.vm_stonithd.cluster import cib_parser, queries
from daemons.vm_stonithd.cluster.queries import Company
from daemons.vm_stonithd.model.events import CibSeen
from daemons.vm_stonithd.model.pace import pause_s
from pmkvm import files, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemons.vm_stonithd.cluster.cib_parser import Seen
    from pmkvm.pacemaker.parameter import Parameter
    from pmkvm.service.thread_calls import ThreadCalls

T = TypeVar("T")

log = logging.getLogger(__name__)

READ_S = 10.0
LOOK_S = 0.05
BUSY_S, IDLE_S = 0.1, 1.0
WHOLE_S = 10.0
# How old the partition and managed may be in a reading that nobody asked for.
COMPANY_BUSY_S, COMPANY_IDLE_S = 0.5, 5.0
RETRY_S = 0.5


class CibWatcher:
    """quiet_s says since when nothing has changed for those who wait (pace), is_idle whether
    histories matter to nobody. tell gets a CibSeen for each reading of the whole."""

    def __init__(
        self,
        calls: ThreadCalls,
        tell: Callable[[CibSeen], None],
        quiet_s: Callable[[], float],
        is_idle: Callable[[], bool],
    ) -> None:
        self.state = "not read yet"
        self.seen: Seen | None = None
        self._calls = calls
        self._tell = tell
        self._quiet_s = quiet_s
        self._is_idle = is_idle
        self._ticket = 0
        self._asked = asyncio.Event()
        self._file: tuple[int, ...] | None = None
        # When the last reading of the whole was begun.
        self._began = float("-inf")
        self._company: Company | None = None
        self._company_at = float("-inf")
        self._parsed: tuple[str, Company] | None = None
        self._complaints: tuple[str, ...] = ()

    def configs(self) -> Mapping[str, Parameter]:
        """Of the newest reading, by target; empty before the first."""
        return {} if self.seen is None else self.seen.configs

    def ask(self, ticket: int) -> None:
        """Read anew, from now on. A later ticket's reading answers an earlier one, too."""
        self._ticket = max(self._ticket, ticket)
        self._asked.set()

    def nudge(self) -> None:
        """Somebody asks: read the whole now."""
        self._asked.set()

    async def run(self) -> None:
        while True:
            ticket, self._ticket = self._ticket, 0
            self._asked.clear()
            try:
                seen = await self._read(is_asked=bool(ticket))
            except (HaError, OSError, MemoryError) as error:
                self._ticket = max(self._ticket, ticket)
                self._note(f"the CIB can't be read: {reason_of(error)}")
                await asyncio.sleep(RETRY_S)
                continue
            self._note("read")
            self.seen = seen
            self._tell(CibSeen(seen.view, ticket, self._began))
            await self._pause()
            while await self._may_rest():
                await self._pause()

    async def _may_rest(self) -> bool:
        """Whether there is no ban, and no need to know more than that."""
        age = time.monotonic() - self._began
        if (
            self._asked.is_set()
            or files.stamp(settings.CIB_XML) != self._file
            or not self._is_idle()
            or age > WHOLE_S
        ):
            return False
        try:
            return not await self._call(queries.bans_text)
        except (HaError, OSError):
            # The reading of the whole says what is wrong.
            return False

    async def _read(self, *, is_asked: bool) -> Seen:
        self._file = files.stamp(settings.CIB_XML)
        began = self._began = time.monotonic()
        oldest = pause_s(self._quiet_s(), COMPANY_BUSY_S, COMPANY_IDLE_S)
        company = self._company
        if is_asked or company is None or began - self._company_at > oldest:
            document, company = await self._read_all(company)
            self._company, self._company_at = company, began
        else:
            document = await self._call(queries.cib)
        if self.seen is None or self._parsed != (document, company):
            seen = cib_parser.read(document, *company)
            self._parsed = (document, company)
            self._complain(seen.complaints + seen.warnings)
            return seen
        return self.seen

    async def _read_all(self, before: Company | None) -> tuple[str, Company]:
        """The CIB's text is there long before crm_mon's word: a ban is not kept waiting for it."""
        asking = asyncio.get_running_loop().create_task(self._ask_company())
        try:
            document = await self._call(queries.cib)
            if before is not None and not asking.done():
                self._tell(CibSeen(cib_parser.read(document, *before).view, 0, self._began))
            return document, await asking
        finally:
            asking.cancel()
            # What becomes of it is heard here: of several failures one is told.
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask_company(self) -> Company:
        partition = self._call(queries.partition)
        return Company(*await asyncio.gather(partition, self._call(queries.instances)))

    async def _call(self, function: Callable[[Deadline], T]) -> T:
        work = partial(function, Deadline(READ_S))
        return await self._calls.call("reading the cluster", work, READ_S)

    async def _pause(self) -> None:
        """Until somebody asks, the file is another, or it is time."""
        end = time.monotonic() + pause_s(self._quiet_s(), BUSY_S, IDLE_S)
        while time.monotonic() < end and files.stamp(settings.CIB_XML) == self._file:
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_S)
                return
            except asyncio.TimeoutError:
                continue

    def _complain(self, complaints: tuple[str, ...]) -> None:
        for each in complaints:
            if each not in self._complaints:
                log.warning("%s", each)
        self._complaints = complaints

    def _note(self, state: str) -> None:
        if state != self.state:
            log.log(logging.INFO if state == "read" else logging.WARNING, "cluster: %s", state)
        self.state = state
