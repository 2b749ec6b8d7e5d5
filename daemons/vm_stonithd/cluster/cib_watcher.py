# SPDX-License-Identifier: GPL-2.0-or-later
"""The watch on the cluster: one reading after the other, each told when it is whole.

Pacemaker replaces the CIB's file when the configuration changes, as a ban does: that is looked at
20 times a second, which costs nothing. Histories change without it, so it is read each second
besides, and more often while a fence makes progress. While no ban stands, nothing is asked and
nothing is owed, the file is all that is looked at, and the whole is read now and then. Where the
file has not what the CIB manager has, the bans are asked for each second.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from daemons.vm_stonithd.cluster import cib_parser, queries
from daemons.vm_stonithd.cluster.queries import Company
from daemons.vm_stonithd.model import rest
from daemons.vm_stonithd.model.events import CibSeen
from daemons.vm_stonithd.model.pace import pause_s
from pmkvm import files, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import cib
from pmkvm.service.thread_calls import ThreadCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemons.vm_stonithd.cluster.cib_parser import Seen
    from daemons.vm_stonithd.model.rest import Stamps
    from pmkvm.pacemaker.cib import Version
    from pmkvm.pacemaker.parameter import Parameter

T = TypeVar("T")

log = logging.getLogger(__name__)

READ_S = 10.0
LOOK_S = 0.05
BUSY_S, IDLE_S = 0.1, 1.0
# How old the partition and managed may be in a reading that nobody asked for.
COMPANY_BUSY_S, COMPANY_IDLE_S = 0.5, 5.0
RETRY_S = 0.5
# Of looks at a file whose storage hangs; and how late a thread may be.
LOOKS_AT_A_TIME, LATE_S = 4, 5.0
# The CIB's version stands in its first line.
_BEGINNING = 1 << 14


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
        self._looks = ThreadCalls(LOOKS_AT_A_TIME)
        # As they were before the last reading of the whole.
        self._stamps: Stamps = ()
        self._is_witness = False
        # Whether the reading that is due is for nobody: its partition and managed may be old.
        self._is_routine = False
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
        """Somebody asks, or is idle no more: read the whole now."""
        self._asked.set()

    async def run(self) -> None:
        while True:
            if self._asked.is_set():
                self._is_routine = False
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
            self._tell(CibSeen(seen.view, ticket, self._began, is_whole=not self._is_routine))
            await self._pause(pause_s(self._quiet_s(), BUSY_S, IDLE_S))
            self._is_routine = await self._rest()

    async def _rest(self) -> bool:
        """While there is no ban, and no need to know more. Whether nothing but time ended it."""
        while not (self._asked.is_set() or self._is_file_new()) and self._is_idle():
            left_s = self._began + rest.WHOLE_S - time.monotonic()
            if left_s <= 0:
                return True
            if self._is_witness:
                self._is_witness = await self._sleep(left_s)
                if _stamps() != self._stamps:
                    return False
            elif await self._are_there_bans():
                return False
            else:
                await self._pause(min(left_s, rest.BANS_S))
        return False

    async def _are_there_bans(self) -> bool:
        try:
            return bool(await self._call(queries.bans_text))
        except (HaError, OSError):
            # The reading of the whole says what is wrong.
            return True

    async def _read(self, *, is_asked: bool) -> Seen:
        self._stamps = _stamps()
        began = self._began = time.monotonic()
        oldest = pause_s(self._quiet_s(), COMPANY_BUSY_S, COMPANY_IDLE_S)
        company = self._company
        is_late = began - self._company_at > oldest and not self._is_routine
        if is_asked or company is None or is_late:
            document, company = await self._read_all(company)
            self._company, self._company_at, self._is_routine = company, began, False
        else:
            document = await self._call(queries.cib)
            self._is_routine = began - self._company_at > oldest
        self._is_witness = rest.is_witness(_version_in_file(), _version(document))
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
                view = cib_parser.read(document, *before).view
                self._tell(CibSeen(view, 0, self._began, is_whole=False))
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

    async def _pause(self, seconds: float) -> None:
        """Until somebody asks, the file is another, or it is time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._is_file_new():
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_S)
                return
            except asyncio.TimeoutError:
                continue

    async def _sleep(self, seconds: float) -> bool:
        """The same at rest; False if the file can't be looked at.

        In a thread, for which a look costs a third of what it costs the loop: they are most of what
        an idle host does. And one that hangs in its storage keeps nobody.
        """
        leave = threading.Event()
        look = partial(_look, self._stamps, time.monotonic() + seconds, leave)
        loop = asyncio.get_running_loop()
        asked = loop.create_task(self._asked.wait())
        looking = loop.create_task(
            self._looks.call("looking at the CIB's file", look, seconds + LATE_S)
        )
        try:
            await asyncio.wait({asked, looking}, return_when=asyncio.FIRST_COMPLETED)
            return not looking.done() or looking.exception() is None
        finally:
            leave.set()
            asked.cancel()
            looking.cancel()

    def _is_file_new(self) -> bool:
        return files.stamp(settings.CIB_XML) != self._stamps[0]

    def _complain(self, complaints: tuple[str, ...]) -> None:
        for each in complaints:
            if each not in self._complaints:
                log.warning("%s", each)
        self._complaints = complaints

    def _note(self, state: str) -> None:
        if state != self.state:
            log.log(logging.INFO if state == "read" else logging.WARNING, "cluster: %s", state)
        self.state = state


def _stamps() -> Stamps:
    """Of the CIB's file, and of its directory, where its manager makes the next one."""
    path = settings.CIB_XML
    return files.stamp(path), files.stamp(os.path.dirname(path))


def _look(before: Stamps, end: float, leave: threading.Event) -> None:
    """In a thread: until they are others, it is time, or nobody waits for this any more."""
    while time.monotonic() < end and _stamps() == before and not leave.is_set():
        # Not leave.wait: in Python that costs three times as much.
        time.sleep(LOOK_S)


def _version_in_file() -> Version | None:
    try:
        text = files.read_beginning(settings.CIB_XML, _BEGINNING).decode(errors="replace")
    except OSError:
        return None
    return _version(text)


def _version(text: str) -> Version | None:
    try:
        return cib.version(text)
    except HaError:
        return None
