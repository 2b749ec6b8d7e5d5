# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes guests' questions from vm-connectd, and answers them together from one look at the host.

What can't be read from the cluster is no answer: the guest tells that its host is mute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Callable, NamedTuple

from pmkvm.errors import HaError, reason_of
from pmkvm.service.bucket import Quota
from pmkvm.wire import host_attributes
from pmkvm.wire.errors import MessageError
from pmkvm.wire.printable import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from daemons.vm_managerd.rules import Rules
    from pmkvm.wire.message import Forwarded

log = logging.getLogger(__name__)

RETRY_S = 1.0
# Of all guests; vm-connectd lets one have 32 at a time.
MOST_WAITING = 1024


class _Question(NamedTuple):
    request: Forwarded
    names: tuple[str, ...]
    end: float


class Desk:
    """reply hands an answer to vm-connectd; look tells this host's attributes, or raises HaError
    or OSError. state: what became of the last look."""

    def __init__(
        self,
        rules: Rules,
        look: Callable[[], Awaitable[Mapping[str, str]]],
        reply: Callable[[Forwarded, str], object],
    ) -> None:
        self.state = "nobody has asked yet"
        self.answered = self.refused = 0
        self._rules = rules
        self._look = look
        self._reply = reply
        # One that is sent again, by a new way, takes the place of the one before.
        self._waiting: dict[tuple[str, str], _Question] = {}
        self._asked = asyncio.Event()
        self._quota = Quota(time.monotonic())

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def requested(self, request: Forwarded) -> None:
        key = (request.sender.uuid, request.id)
        try:
            names = host_attributes.names_of(request.body)
        except MessageError as error:
            self._refuse(request, str(error))
            return
        if key not in self._waiting and len(self._waiting) >= MOST_WAITING:
            self._refuse(request, "too many questions at a time")
            return
        self._waiting[key] = _Question(request, names, time.monotonic() + request.seconds)
        self._asked.set()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                attributes = await self._look()
            except (HaError, OSError, MemoryError) as error:
                self._note(f"this host's attributes can't be read: {reason_of(error)}")
                self._forget_late()
                await asyncio.sleep(RETRY_S)
                if self._waiting:
                    self._asked.set()
                continue
            self._note("answered")
            questions, self._waiting = list(self._waiting.values()), {}
            for question in questions:
                self._answer(question, attributes)

    def _answer(self, question: _Question, attributes: Mapping[str, str]) -> None:
        self.answered += 1
        request = question.request
        told = {name: self._told(name, attributes, request) for name in question.names}
        self._reply(request, host_attributes.encode(told))

    def _told(self, name: str, attributes: Mapping[str, str], request: Forwarded) -> str:
        if not self._rules.allows(name):
            self._complain(request, f"asks for {name}, which has no section in the rules")
            return ""
        value = self._rules.told(name, attributes.get(name, ""))
        if value and not host_attributes.is_value(value):
            self._complain(request, f"is not told {name}, whose value has no form for it")
            return ""
        return value

    def _refuse(self, request: Forwarded, reason: str) -> None:
        self.refused += 1
        self._complain(request, f"is refused: {reason}")
        self._reply(request, host_attributes.refusal(reason))

    def _forget_late(self) -> None:
        now = time.monotonic()
        self._waiting = {key: each for key, each in self._waiting.items() if each.end > now}

    def _complain(self, request: Forwarded, what: str) -> None:
        told = self._quota.take(time.monotonic())
        if told is not None:
            log.warning("guest %s %s%s", shown(request.sender.resource), what, told)

    def _note(self, state: str) -> None:
        if state != self.state:
            level = logging.INFO if state == "answered" else logging.WARNING
            log.log(level, "attributes: %s", state)
        self.state = state
