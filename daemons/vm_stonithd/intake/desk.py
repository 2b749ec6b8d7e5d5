# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests as they come from vm-connectd, to the machine, and its answers back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.host import qemu_processes
from daemons.vm_stonithd.intake import requests
from daemons.vm_stonithd.intake.grant import TokenError
from daemons.vm_stonithd.model.events import Arrived
from daemons.vm_stonithd.model.facts import REFUSED
from pmkvm.errors import ExhaustedError, HaError
from pmkvm.wire.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.cluster.cib_watcher import CibWatcher
    from daemons.vm_stonithd.host.domain_uuids import DomainUuids
    from daemons.vm_stonithd.intake.token_readers import Readers
    from daemons.vm_stonithd.model.facts import Request
    from pmkvm.service.thread_calls import ThreadCalls
    from pmkvm.wire.message import Forwarded

log = logging.getLogger(__name__)

# So many guests' requests are read side by side.
AT_A_TIME = 8
# What is not proven in five minutes is answered so, however much time a guest gives: who waits
# keeps this host busy.
MOST_S = 300.0
# A command for tokens takes 5 s at most; a definition may lie on storage that hangs.
READ_S = 8.0
# What a guest has asked for meanwhile is read in one go, so long: a way through the loop for each
# takes longer than that while many fences are under way.
MOMENT_S = 0.05
# While this host has no thread, memory or the like to read one with it is tried again; so long
# before its time is over a request is answered all the same.
AGAIN_S = 0.5
LAST_ANSWER_S = 1.0


class _Waiting(NamedTuple):
    """A request that is not read yet."""

    number: int
    forwarded: Forwarded
    arrived: float


class Desk:
    def __init__(
        self,
        tokens: Readers,
        watch: CibWatcher,
        domain_uuids: DomainUuids,
        calls: ThreadCalls,
        tell: Callable[[Arrived], None],
    ) -> None:
        self.open: dict[int, Forwarded] = {}
        self._tokens = tokens
        self._watch = watch
        self._calls = calls
        self._tell = tell
        self._domain_uuids = domain_uuids
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        # By the guest's uuid.
        self._lines: dict[str, deque[_Waiting]] = {}
        self._places: asyncio.Semaphore | None = None

    def register(self, path: str) -> Registration:
        self.registration = Registration("stonith", self.arrived, program="vm-stonithd", path=path)
        return self.registration

    def arrived(self, forwarded: Forwarded) -> None:
        """To be read behind what its guest has asked before: a flood waits for itself."""
        forwarded = forwarded._replace(seconds=min(forwarded.seconds, MOST_S))
        self._number += 1
        self.open[self._number] = forwarded
        guest = forwarded.sender.uuid
        waiting = _Waiting(self._number, forwarded, time.monotonic())
        self._lines.setdefault(guest, deque()).append(waiting)
        if len(self._lines[guest]) == 1:
            task = asyncio.get_running_loop().create_task(self._serve(guest))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def answer(self, number: int, text: str) -> None:
        forwarded = self.open.pop(number, None)
        if forwarded is not None and not self.registration.reply(forwarded, text):
            # The guest sends its request again, and gets the same answer then.
            log.warning("vm-connectd is away: %s has no answer yet", forwarded.sender.resource)

    def forget(self, number: int) -> None:
        self.open.pop(number, None)

    async def _serve(self, guest: str) -> None:
        self._places = self._places or asyncio.Semaphore(AT_A_TIME)
        line = self._lines[guest]
        try:
            while line:
                try:
                    async with self._places:
                        for request in await self._read_some(tuple(line)):
                            self._pass_on(line.popleft(), request)
                except ExhaustedError as error:
                    await asyncio.sleep(AGAIN_S)
                    self._give_up_late(line, str(error))
        finally:
            del self._lines[guest]

    async def _read_some(self, waiting: tuple[_Waiting, ...]) -> list[Request]:
        """The first at least, in their order. Raises ExhaustedError when none can be read now."""
        read: list[Request] = []
        try:
            work = partial(self._read_in_order, waiting, read)
            await self._calls.call("reading a request", work, READ_S)
        except Exception as error:
            # Those before it were read all the same.
            done = tuple(read)
            if isinstance(error, ExhaustedError):
                if done:
                    return list(done)
                raise
            stuck = waiting[len(done) :][:1]
            return [*done, *(self._refused(each, error) for each in stuck)]
        return read

    def _refused(self, one: _Waiting, error: Exception) -> Request:
        if isinstance(error, HaError):
            return requests.refused(*one[:2], str(error))
        log.error("a request can't be read", exc_info=error)
        return requests.refused(*one[:2], "vm-stonithd can't read it", repr(error))

    def _give_up_late(self, line: deque[_Waiting], reason: str) -> None:
        for one in [each for each in line if _left_s(each) <= LAST_ANSWER_S]:
            line.remove(one)
            self.answer(one.number, f"NG {reason}")

    def _read_in_order(self, waiting: tuple[_Waiting, ...], read: list[Request]) -> None:
        """In a thread."""
        end = time.monotonic() + MOMENT_S
        for one in waiting:
            read.append(self._read(one.number, one.forwarded))
            if time.monotonic() >= end:
                return

    def _pass_on(self, one: _Waiting, request: Request) -> None:
        left = _left_s(one)
        if left <= 0:
            request = requests.refused(*one[:2], "its time was over before its token was read")
        self._tell(Arrived(request._replace(seconds=left)))

    def _read(self, number: int, forwarded: Forwarded) -> Request:
        asked = requests.split(forwarded.body)
        if not self._tokens.can_read:
            told = "this host's vm-stonithd can't read tokens"
            return requests.refused(number, forwarded, told, "; ".join(self._tokens.complaints))
        complaint = requests.complaint(asked)
        if asked.operation is None or complaint:
            return requests.refused(number, forwarded, complaint)
        try:
            grant = self._tokens.read(asked.token)
        except TokenError as error:
            return requests.refused(number, forwarded, REFUSED, str(error))
        seen = self._watch.seen
        place = requests.Place(
            "" if seen is None else seen.cluster,
            self._domain_uuids.uuid,
            self._domain_uuids.of,
            qemu_processes.remembered_uuid,
        )
        try:
            return requests.allowed(number, forwarded, asked.operation, grant, place)
        except ExhaustedError:
            raise
        except HaError as error:
            return requests.refused(number, forwarded, REFUSED, str(error))


def _left_s(one: _Waiting) -> float:
    return one.forwarded.seconds - (time.monotonic() - one.arrived)
