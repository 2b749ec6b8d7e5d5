# SPDX-License-Identifier: GPL-2.0-or-later
"""Both routers, driven by bytes: no answer comes twice, or to a guest that did not ask."""

from __future__ import annotations

from typing import Callable

from daemons.vm_connectd.guest_router import GuestRouter
from daemons.vm_connectd.host_router import HostRouter
from pmkvm.wire.message import Answer, Forwarded, Reply, Request, Sender, Unavailable

SENDER = Sender("uuid1", 1, 2, "guest1", "prmVMCTL_guest1")
GUESTS = (0, 1)


class Routers:
    """A host's with two guests, and a guest's; servers and requests are numbers from 0 to 7."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self.host: HostRouter[int, int] = HostRouter(1000)
        self.guest: GuestRouter[int] = GuestRouter()
        self.asked: set[tuple[int, str]] = set()
        self.with_server: list[Forwarded] = []
        for who in GUESTS:
            self.host.guest_joined(who, SENDER, self.now)

    def step(self, byte: int) -> None:
        self.now += (byte & 3) / 4
        self.steps += 1
        _EVENTS[byte >> 5](self, byte & 1, (byte >> 1) & 7)
        assert all(self.host.outstanding(who) <= 32 for who in GUESTS)
        assert self.guest.outstanding <= 32

    def ask(self, who: int, number: int) -> None:
        body = f"reset T{self.steps & 1}"
        request = Request("stonith", f"id{number}", 1.0 + number, body)
        if not self.host.requested(who, request, self.now):
            self.asked.add((who, request.id))
        self.guest.requested(who, request, self.now)

    def register(self, _who: int, number: int) -> None:
        self.host.registered(number, "stonith")
        self.guest.opened()

    def forward(self, _who: int, _number: int) -> None:
        taken = self.host.next_for("stonith", self.now)
        if taken is not None:
            self.with_server.append(taken.message)
        self.guest.next_for_host(self.now)

    def answer(self, who: int, number: int) -> None:
        """At times with another's route."""
        if not self.with_server:
            return
        one = self.with_server[number % len(self.with_server)]
        for action in self.host.answered(number, Answer(one.route + who, "stonith", one.id, "OK")):
            assert (action.guest, action.message.id) in self.asked, "nobody asked for this"
            self.asked.discard((action.guest, action.message.id))
        self.guest.answered(Reply("stonith", one.id, "OK"))

    def lose_server(self, _who: int, number: int) -> None:
        self.host.server_gone(number)
        self.guest.closed()

    def begin_anew(self, who: int, _number: int) -> None:
        self.host.guest_begins_anew(who)
        self.guest.client_gone(who)

    def rejoin(self, who: int, number: int) -> None:
        self.host.guest_gone(who)
        self.host.guest_joined(who, SENDER, self.now)
        self.guest.answered(Unavailable("stonith", f"id{number}", "x"))

    def tick(self, _who: int, _number: int) -> None:
        self.host.tick(self.now)
        self.guest.tick(self.now)


_EVENTS: tuple[Callable[[Routers, int, int], None], ...] = (
    Routers.ask,
    Routers.register,
    Routers.forward,
    Routers.answer,
    Routers.lose_server,
    Routers.begin_anew,
    Routers.rejoin,
    Routers.tick,
)
