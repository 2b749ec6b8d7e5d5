# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells all hosts of which guests a QEMU lives on this one, for their starts (pmkvm.virt.presence).

A look at the whole process table takes 15 ms. It is made when libvirt or an agent has written
something down, when a guest's QEMU has died, and every five seconds in any case. What is told is as
old as a look. A look that failed tells nothing, and what was told before counts no more a few
seconds later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.host import living_guests
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import attributes
from pmkvm.process import Pidfd
from pmkvm.virt import presence

if TYPE_CHECKING:
    from daemons.vm_stonithd.host.living_guests import Stamps
    from pmkvm.process import Life
    from pmkvm.service.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

LOOK_S, SAY_S = 5.0, 3.0
# After a look that failed, or an attrd that did not take it.
RETRY_S = 1.0
# How often it is seen whether there is something to look at; a death is heard of at once. Between
# the birth of a QEMU that a migration goes to and a start at the other end, which Pacemaker may
# order where it forgets the arrival, is little more than a second.
PAUSE_S = 0.25
# Between two looks, however many die, or say that they are QEMUs.
LEAST_S = 0.2
# libvirt writes down that a QEMU begins before that has QEMU's command line: so two looks.
LOOKS = 2
# Fences need descriptors too. The death of a further one is seen when libvirt has written it down.
MOST_HELD = 256


class _Hold(NamedTuple):
    uuid: str
    pidfd: Pidfd


class Presence:
    """state: what became of the last attempt."""

    def __init__(self, calls: ThreadCalls) -> None:
        self.state = "not told yet"
        self._calls = calls
        self._holds: dict[Life, _Hold] = {}
        self._has_died = asyncio.Event()
        self._stamps: Stamps | None = None
        self._looks_due = 0
        self._told: frozenset[str] | None = None
        self._told_at = self._looked_at = float("-inf")

    async def run(self) -> None:
        try:
            while True:
                if self._is_due():
                    await self._look_and_tell()
                await self._pause()
        finally:
            for life in list(self._holds):
                self._let_go(life)

    def _is_due(self) -> bool:
        stamps = living_guests.stamps()
        if stamps != self._stamps:
            self._stamps, self._looks_due = stamps, LOOKS
        is_late = time.monotonic() >= self._told_at + presence.REPEAT_S
        return self._looks_due > 0 or self._has_died.is_set() or is_late

    async def _pause(self) -> None:
        """Until there may be something new to look at."""
        since_s = time.monotonic() - self._looked_at
        if since_s < LEAST_S:
            await asyncio.sleep(LEAST_S - since_s)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._has_died.wait(), PAUSE_S)

    async def _look_and_tell(self) -> None:
        self._looked_at, at = time.monotonic(), time.time()
        self._has_died.clear()
        try:
            uuids = await self._look()
            self._looks_due = max(0, self._looks_due - 1)
            is_late = self._looked_at >= self._told_at + presence.REPEAT_S
            if uuids != self._told or is_late:
                await self._tell(presence.encode(at, uuids))
                self._told, self._told_at = uuids, self._looked_at
            self._note("told")
        except (HaError, OSError, MemoryError) as error:
            # Whatever attrd has by now, it is told again.
            self._told, self._told_at = None, self._looked_at + RETRY_S - presence.REPEAT_S
            self._note(f"nobody is told of the guests here: {reason_of(error)}")

    async def _look(self) -> frozenset[str]:
        known = {life: hold.uuid for life, hold in self._holds.items()}
        work = partial(living_guests.look, known)
        found = await self._calls.call("looking for living guests", work, LOOK_S)
        # One that has died meanwhile is held no more.
        found = {life: uuid for life, uuid in found.items() if life not in known}
        uuids = {uuid for life, uuid in found.items() if self._hold(life, uuid)}
        return frozenset(uuids.union(hold.uuid for hold in self._holds.values()))

    def _hold(self, life: Life, uuid: str) -> bool:
        """Hear of its death from now on; whether it lives. Raises OSError."""
        if len(self._holds) >= MOST_HELD:
            return True
        pidfd = Pidfd(life).__enter__()
        if pidfd.descriptor is None:
            return False
        try:
            asyncio.get_running_loop().add_reader(pidfd.descriptor, self._died, life)
        except BaseException:
            # Nobody would hear of its death.
            pidfd.__exit__()
            raise
        self._holds[life] = _Hold(uuid, pidfd)
        return True

    def _died(self, life: Life) -> None:
        self._let_go(life)
        self._has_died.set()

    def _let_go(self, life: Life) -> None:
        pidfd = self._holds.pop(life).pidfd
        if pidfd.descriptor is not None:
            asyncio.get_running_loop().remove_reader(pidfd.descriptor)
        pidfd.__exit__()

    async def _tell(self, text: str) -> None:
        work = partial(attributes.say, presence.ATTRIBUTE, text, Deadline(SAY_S))
        await self._calls.call("telling of the guests here", work, SAY_S + 1)

    def _note(self, state: str) -> None:
        if state != self.state:
            level = logging.INFO if state == "told" else logging.WARNING
            log.log(level, "presence: %s", state)
        self.state = state
