# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests side by side: a guest waits for itself, and for nobody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from daemons.vm_stonithd.desk import AT_A_TIME, Desk
from daemons.vm_stonithd.keys import Keys
from daemons.vm_stonithd.readers import Readers
from daemons.vm_stonithd.tokens import Decoder
from pmkvm.service.calls import Calls
from pmkvm.wire.message import Forwarded, Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.events import Arrived
    from daemons.vm_stonithd.facts import Request
    from daemons.vm_stonithd.watch import Watch

SECONDS = 30.0


class NoWatch:
    """A cluster of which nothing is known yet."""

    seen = None


def asked(guest: str, number: int) -> Forwarded:
    sender = Sender(f"uuid-{guest}", 10, 1, guest, guest)
    return Forwarded(number, sender, "stonith", f"id-{number}", SECONDS, "reset prm-target")


def read(ask: Callable[[Desk], int]) -> list[Request]:
    """What the machine is told, in order, once that many requests have been read."""
    told: list[Request] = []

    async def run() -> None:
        # A command that takes its time: a process for each token.
        slow = Decoder("/bin/sh -c 'sleep .02; cat'", is_on_stdin=True)
        readers = Readers(Keys("/nowhere"), slow)
        desk = Desk(readers, cast("Watch", NoWatch()), Calls(AT_A_TIME), hear)
        count = ask(desk)
        while len(told) < count:
            await asyncio.sleep(0.01)

    def hear(event: Arrived) -> None:
        told.append(event.request)

    asyncio.run(asyncio.wait_for(run(), SECONDS))
    return told


@pytest.mark.parametrize("guests", [1, 3 * AT_A_TIME])
def test_many_at_once_are_all_read_and_none_is_refused(guests: int) -> None:
    def ask(desk: Desk) -> int:
        for number in range(3 * AT_A_TIME):
            desk.arrived(asked(f"guest{number % guests}", number))
        return 3 * AT_A_TIME

    assert [request.refusal for request in read(ask)] == [""] * 3 * AT_A_TIME


def test_a_flood_is_read_in_order_and_another_guest_does_not_wait_for_it() -> None:
    def ask(desk: Desk) -> int:
        for number in range(16):
            desk.arrived(asked("flooding", number))
        desk.arrived(asked("other", 99))
        return 17

    told = read(ask)
    flood = [request.number for request in told if request.requester == "flooding"]
    assert flood == sorted(flood)
    assert [request.requester for request in told].index("other") < 5
