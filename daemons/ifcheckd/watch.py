# SPDX-License-Identifier: GPL-2.0-or-later
"""The looks at corosync, one after the other, and what they say now."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Callable, TypeVar

from daemons.ifcheckd import corosync, picture
from pmkvm.errors import HaError, reason_of

if TYPE_CHECKING:
    from daemons.ifcheckd.picture import Links, Membership
    from pmkvm.service.thread_calls import ThreadCalls

T = TypeVar("T")

log = logging.getLogger(__name__)

# How long members and names may be as they were while every link is up.
MEMBERSHIP_S = 60.0
# How much older than an interval the last look may be to count: a busy host answers late.
LATE_S = 10.0


class Watch:
    """attributes: what the last look means. trouble: why there is none."""

    def __init__(self, total: str, interval_s: float, calls: ThreadCalls) -> None:
        self.trouble = "corosync was not asked yet"
        self._total = total
        self._interval_s = interval_s
        self._calls = calls
        self._attributes: dict[str, str] = {}
        self._seen_at = float("-inf")
        self._seen: Links = {}
        self._membership: Membership | None = None
        self._membership_at = float("-inf")
        self._interfaces: dict[str, str] = {}

    @property
    def attributes(self) -> dict[str, str]:
        """None of them if corosync has not answered for too long: unknown is not up."""
        is_late = time.monotonic() > self._seen_at + self._interval_s + LATE_S
        return {} if is_late else self._attributes

    async def look(self) -> None:
        began = time.monotonic()
        try:
            self._attributes = await self._look(began)
        except (HaError, OSError, MemoryError) as error:
            # The next look begins with all of it.
            self._membership = None
            self._note(reason_of(error))
            return
        self._seen_at = began
        self._note("")

    async def _look(self, began: float) -> dict[str, str]:
        known, before = self._membership, self._seen
        if known is not None and known.has_knet:
            self._seen = await self._call(corosync.links)
            is_calm = self._seen == before and picture.is_well(known, self._seen)
            if is_calm and began < self._membership_at + MEMBERSHIP_S:
                return self._attributes
        known = await self._call(corosync.membership)
        # After the members: of one that has just come there may be no link yet, but no old one.
        self._seen = (
            await self._call(corosync.links) if known.has_knet else picture.links_of_members(known)
        )
        await self._find_interfaces(known)
        self._membership, self._membership_at = known, began
        names = {
            link: self._interfaces[address]
            for link, address in known.addresses.items()
            if address in self._interfaces
        }
        return picture.attributes(known, self._seen, names, self._total)

    async def _find_interfaces(self, known: Membership) -> None:
        """A device that has gone keeps its name here: it is the attribute's, too."""
        addresses = tuple(known.addresses.values())
        try:
            found = await self._call(lambda: corosync.interfaces(addresses))
        except HaError as error:
            log.debug("no names of devices: %s", error)
            return
        self._interfaces.update(found)

    async def _call(self, function: Callable[[], T]) -> T:
        # The tool is ended at its own deadline; a second more to be rid of it.
        seconds = corosync.TOOL_S + 2.0
        return await self._calls.call("asking corosync", function, seconds)

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("the links are not known: %s", trouble)
        elif self.trouble and not trouble:
            log.info("corosync answers")
        self.trouble = trouble
