# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's routing: from guests to the server of a service, and back. Events in, actions out.

Guests and servers are keys that the caller chose. Nothing that a guest sends is a key, a
route or a sender: a reply finds its guest by the route alone, which this router made.
A request is with a server once at a time; a request sent again is the same request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from daemons.vm_connectd import limits
from daemons.vm_connectd.timetable import Timetable
from pmkvm.service.bucket import Bucket
from pmkvm.wire.message import SERVICES, Answer, Forwarded, Reply, Request, Sender, Unavailable

G = TypeVar("G")
S = TypeVar("S")


@dataclass(frozen=True)
class ToGuest(Generic[G]):
    guest: G
    message: Reply | Unavailable


@dataclass(frozen=True)
class ToServer(Generic[S]):
    server: S
    message: Forwarded


@dataclass
class Counters:
    """What happened to a guest's requests since its connection began."""

    requests: int = 0
    repeated: int = 0
    forwarded: int = 0
    replies: int = 0
    unavailable: int = 0
    too_many: int = 0
    expired: int = 0


@dataclass
class _Pending(Generic[G, S]):
    route: int
    guest: G
    request: Request
    deadline: float
    # None while it waits for a server.
    server: S | None = None


@dataclass
class _Guest(Generic[G, S]):
    sender: Sender
    bucket: Bucket
    pending: dict[tuple[str, str], _Pending[G, S]] = field(default_factory=dict)
    held: int = 0
    counters: Counters = field(default_factory=Counters)


class HostRouter(Generic[G, S]):
    """All requests of all guests of this host. Times are the caller's monotonic clock.

    first_route should differ from one run of the daemon to the next: an answer to a request
    of an earlier run then finds no route.
    """

    def __init__(self, first_route: int) -> None:
        self._next_route = first_route
        self._guests: dict[G, _Guest[G, S]] = {}
        self._servers: dict[str, S] = {}
        self._routes: dict[int, _Pending[G, S]] = {}
        # By service, in the order in which they came; a dict as an ordered set.
        self._waiting: dict[str, dict[int, None]] = {service: {} for service in SERVICES}
        self._times = Timetable()
        self.stray_answers = 0

    # --- guests

    def guest_joined(self, guest: G, sender: Sender, now: float) -> None:
        bucket = Bucket(limits.REQUESTS_PER_S, limits.REQUESTS_BURST, now)
        self._guests[guest] = _Guest(sender, bucket)

    def guest_begins_anew(self, guest: G) -> None:
        """It will send again what it still wants; what no server has yet is nobody's now."""
        for pending in list(self._guests[guest].pending.values()):
            if pending.server is None:
                self._forget(pending)

    def guest_gone(self, guest: G) -> None:
        state = self._guests.get(guest)
        if state is not None:
            for pending in list(state.pending.values()):
                self._forget(pending)
            del self._guests[guest]

    def requested(self, guest: G, request: Request, now: float) -> list[ToGuest[G]]:
        """Take it on; next_for() has it then. What is returned is the refusal of it."""
        state = self._guests[guest]
        state.counters.requests += 1
        reason = self._refusal(state, request, now)
        if reason:
            return [self._unavailable(guest, request, reason)]
        key = (request.service, request.id)
        if key in state.pending:
            state.counters.repeated += 1
            return []
        pending: _Pending[G, S] = _Pending(self._next_route, guest, request, now + request.seconds)
        self._next_route += 1
        state.pending[key] = pending
        state.held += len(request.body)
        self._routes[pending.route] = pending
        self._wait(pending)
        return []

    def _refusal(self, state: _Guest[G, S], request: Request, now: float) -> str:
        if not state.bucket.take(now):
            state.counters.too_many += 1
            return "too many requests"
        known = state.pending.get((request.service, request.id))
        if known is not None:
            return "" if known.request.body == request.body else "the id is another request's"
        if (
            len(state.pending) >= limits.OUTSTANDING_REQUESTS
            or state.held + len(request.body) > limits.OUTSTANDING_BYTES
        ):
            state.counters.too_many += 1
            return "too many requests at a time"
        return ""

    # --- servers

    def server_of(self, service: str) -> S | None:
        return self._servers.get(service)

    def registered(self, server: S, service: str) -> None:
        """It serves from now on; who served before has to be gone. next_for() has its work."""
        self._servers[service] = server

    def server_gone(self, server: S) -> None:
        """What it has not answered waits for the next one."""
        self._servers = {each: s for each, s in self._servers.items() if s != server}
        for pending in self._routes.values():
            if pending.server == server:
                pending.server = None
                self._wait(pending)

    def next_for(self, service: str, now: float) -> ToServer[S] | None:
        """The oldest request that its server has not got yet, now counted as being there."""
        server = self._servers.get(service)
        waiting = self._waiting[service]
        if server is None:
            return None
        while waiting:
            route = next(iter(waiting))
            del waiting[route]
            pending = self._routes[route]
            seconds = pending.deadline - now
            if seconds > 0:
                pending.server = server
                self._times.set(route, pending.deadline)
                self._guests[pending.guest].counters.forwarded += 1
                return ToServer(server, self._forwarded(pending, seconds))
            self._expire(pending)
        return None

    def answered(self, server: S, answer: Answer) -> list[ToGuest[G]]:
        """Deliver it once, and only from the server of that service."""
        pending = self._routes.get(answer.route)
        if (
            pending is None
            or (answer.service, answer.id) != (pending.request.service, pending.request.id)
            or self._servers.get(answer.service) != server
        ):
            self.stray_answers += 1
            return []
        self._forget(pending)
        self._guests[pending.guest].counters.replies += 1
        return [ToGuest(pending.guest, Reply(answer.service, answer.id, answer.body))]

    # --- time

    def next_time(self) -> float | None:
        return self._times.next()

    def tick(self, now: float) -> list[ToGuest[G]]:
        """Let requests end whose time is over."""
        actions: list[ToGuest[G]] = []
        for route in self._times.take_due(now):
            pending = self._routes[route]
            if pending.server is None:
                service = pending.request.service
                reason = f"no server for {service} is registered on the host"
                self._forget(pending)
                actions.append(self._unavailable(pending.guest, pending.request, reason))
            else:
                # Its server has been told the same end, and its client counts it, too.
                self._expire(pending)
        return actions

    # --- status

    def counters(self, guest: G) -> Counters:
        return self._guests[guest].counters

    def outstanding(self, guest: G) -> int:
        return len(self._guests[guest].pending)

    def waiting(self, service: str) -> int:
        """Requests that no server has."""
        return len(self._waiting[service])

    @property
    def services(self) -> dict[str, S]:
        return dict(self._servers)

    # --- inner

    def _wait(self, pending: _Pending[G, S]) -> None:
        self._waiting[pending.request.service][pending.route] = None
        margin_s = limits.answer_margin_s(pending.request.seconds)
        self._times.set(pending.route, pending.deadline - margin_s)

    def _forwarded(self, pending: _Pending[G, S], seconds: float) -> Forwarded:
        request = pending.request
        sender = self._guests[pending.guest].sender
        return Forwarded(pending.route, sender, request.service, request.id, seconds, request.body)

    def _unavailable(self, guest: G, request: Request, reason: str) -> ToGuest[G]:
        self._guests[guest].counters.unavailable += 1
        return ToGuest(guest, Unavailable(request.service, request.id, reason))

    def _expire(self, pending: _Pending[G, S]) -> None:
        self._guests[pending.guest].counters.expired += 1
        self._forget(pending)

    def _forget(self, pending: _Pending[G, S]) -> None:
        state = self._guests[pending.guest]
        del state.pending[pending.request.service, pending.request.id]
        state.held -= len(pending.request.body)
        del self._routes[pending.route]
        self._waiting[pending.request.service].pop(pending.route, None)
        self._times.unset(pending.route)
