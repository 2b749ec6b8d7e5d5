# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's routing: from local clients to the port, and back. Events in, actions out.

A request is kept until its answer, its end, or its client's. Each time the host's end of the
port is a new one all of them are sent again, under the same ids. An answer is delivered once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from daemons.vm_connectd import limits
from daemons.vm_connectd.timetable import Timetable
from pmkvm.wire.message import Reply, Request, Unavailable

C = TypeVar("C")


@dataclass(frozen=True)
class ToClient(Generic[C]):
    client: C
    message: Reply | Unavailable


@dataclass
class _Pending(Generic[C]):
    number: int
    client: C
    request: Request
    deadline: float
    times_sent: int = 0


class GuestRouter(Generic[C]):
    """All requests of this guest's programs. Times are the caller's monotonic clock."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str], _Pending[C]] = {}
        self._numbers: dict[int, _Pending[C]] = {}
        # Numbers of those that the host's end has not got, oldest first; a dict as an ordered set.
        self._unsent: dict[int, None] = {}
        self._times = Timetable()
        self._next_number = 0
        self._held = 0
        self.is_up = False
        self.sent_again = 0
        self.stray_answers = 0

    @property
    def outstanding(self) -> int:
        return len(self._pending)

    # --- clients

    def requested(self, client: C, request: Request, now: float) -> list[ToClient[C]]:
        """Take it on; next_for_host() has it then. What is returned is the refusal of it."""
        key = (request.service, request.id)
        if key in self._pending:
            return [_refusal(client, request, "the id is that of a request under way")]
        if (
            len(self._pending) >= limits.OUTSTANDING_REQUESTS
            or self._held + len(request.body) > limits.OUTSTANDING_BYTES
        ):
            return [_refusal(client, request, "too many requests at a time in this guest")]
        self._next_number += 1
        pending = _Pending(self._next_number, client, request, now + request.seconds)
        self._pending[key] = self._numbers[pending.number] = pending
        self._held += len(request.body)
        self._wait(pending)
        return []

    def client_gone(self, client: C) -> None:
        """Nobody waits for its answers any more; they are dropped when they come."""
        for pending in [each for each in self._pending.values() if each.client == client]:
            self._forget(pending)

    # --- the port

    def opened(self) -> None:
        """A new host's end has said hello: it knows of no request."""
        self.is_up = True
        for pending in self._pending.values():
            self._wait(pending)

    def closed(self) -> None:
        self.is_up = False
        for pending in self._pending.values():
            self._wait(pending)

    def next_for_host(self, now: float) -> Request | None:
        """The oldest request that the host has not got yet, now counted as being there."""
        while self.is_up and self._unsent:
            number = next(iter(self._unsent))
            del self._unsent[number]
            pending = self._numbers[number]
            seconds = pending.deadline - now
            if seconds > 0:
                self.sent_again += pending.times_sent > 0
                pending.times_sent += 1
                self._times.set(number, pending.deadline)
                return pending.request._replace(seconds=seconds)
            self._forget(pending)
        return None

    def answered(self, answer: Reply | Unavailable) -> list[ToClient[C]]:
        pending = self._pending.get((answer.service, answer.id))
        if pending is None:
            self.stray_answers += 1
            return []
        self._forget(pending)
        return [ToClient(pending.client, answer)]

    # --- time

    def next_time(self) -> float | None:
        return self._times.next()

    def tick(self, now: float) -> list[ToClient[C]]:
        """Let requests end whose time is over."""
        actions = []
        for number in self._times.take_due(now):
            pending = self._numbers[number]
            if number in self._unsent:
                reason = "no vm-connectd of a host is connected to the port"
                actions.append(_refusal(pending.client, pending.request, reason))
            self._forget(pending)
        return actions

    # --- inner

    def _wait(self, pending: _Pending[C]) -> None:
        self._unsent[pending.number] = None
        margin_s = limits.answer_margin_s(pending.request.seconds)
        self._times.set(pending.number, pending.deadline - margin_s)

    def _forget(self, pending: _Pending[C]) -> None:
        del self._pending[pending.request.service, pending.request.id]
        del self._numbers[pending.number]
        self._unsent.pop(pending.number, None)
        self._times.unset(pending.number)
        self._held -= len(pending.request.body)


def _refusal(client: C, request: Request, reason: str) -> ToClient[C]:
    return ToClient(client, Unavailable(request.service, request.id, reason))
