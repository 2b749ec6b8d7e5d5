# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose turn it is, by a clock of the test's; and in a loop, what becomes of a turn."""

from __future__ import annotations

import asyncio
import socket

import pytest

from daemons.vm_connectd import limits
from daemons.vm_connectd.turns import Account, Turns, Turnstile
from pmkvm.wire import codec
from pmkvm.wire.message import Request
from pmkvm.wire.session import Event, PortSession
from pmkvm.wire.stream import Stream

COST_S = 0.006
ENEMIES = 20


def nothing() -> None: ...


class Day:
    """Enemies that always wait, and an honest guest now and then; each turn costs so much."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = Turns(self.now)
        self.honest = self.turns.account()
        self.busy_s = 0.0
        for _ in range(ENEMIES):
            self.turns.join(self.turns.account(), nothing)

    def step(self) -> Account:
        """The next turn; an enemy then waits again."""
        self.now += self.turns.wait_s(self.now) or 0.0
        account, _work = self.turns.take(self.now)
        self.now += COST_S
        self.busy_s += COST_S
        self.turns.spend(account, COST_S, self.now)
        if account is not self.honest:
            self.turns.join(account, nothing)
        return account


def test_all_together_get_their_share_and_no_more() -> None:
    day = Day()
    while day.now < 60.0:
        day.step()
    assert day.busy_s / day.now == pytest.approx(limits.GUESTS_SHARE, rel=0.02)


def test_who_speaks_seldom_waits_for_one_turn_at_the_most() -> None:
    day = Day()
    for _ in range(50):
        for _ in range(100):
            day.step()
        day.turns.join(day.honest, nothing)
        # It would have to wait for the turn that is under way, and no debt of the others.
        assert day.turns.wait_s(day.now) == 0.0
        assert day.step() is day.honest


def test_who_speaks_without_end_waits_for_those_who_do_too() -> None:
    day = Day()
    counts: dict[Account, int] = {}
    for _ in range(100 * ENEMIES):
        account = day.step()
        counts[account] = counts.get(account, 0) + 1
    assert max(counts.values()) - min(counts.values()) <= 2


def test_what_was_used_long_ago_is_forgotten() -> None:
    account = Account()
    account.add(1.0, 100.0)
    assert account.used_s(100.0) == 1.0
    assert account.used_s(100.0 + 20 * limits.LATELY_S) < 1e-6


def test_nobody_is_waited_for_when_nobody_waits() -> None:
    assert Turns(0.0).wait_s(1.0) is None


class Owner:
    def __init__(self, error: Exception | None = None) -> None:
        self.heard: list[Event] = []
        self.reason = ""
        self._error = error

    def received(self, event: Event) -> None:
        self.heard.append(event)
        if self._error is not None:
            raise self._error

    def drained(self) -> None: ...

    def lost(self, reason: str) -> None:
        self.reason = reason


def spoken(count: int) -> bytes:
    asked = (codec.encode(Request("stonith", f"{n}", 9.0, "x")) for n in range(count))
    return PortSession("guest", codec.FROM_HOST).greeting() + b"".join(asked)


async def heard(owner: Owner, said: bytes, *, is_closed: bool = False) -> None:
    """Said at once to a stream that has to wait for its turns."""
    turnstile = Turnstile()
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with theirs:
        one = Stream(PortSession("host", codec.FROM_GUEST), owner, turn=turnstile.lane())
        await asyncio.get_running_loop().create_unix_connection(lambda: one, sock=ours)
        theirs.sendall(said)
        if is_closed:
            theirs.shutdown(socket.SHUT_WR)
        for _ in range(200):
            await asyncio.sleep(0.005)
            if owner.reason:
                return


async def test_all_that_was_said_is_heard_in_order_and_then_the_end() -> None:
    owner = Owner()
    await heard(owner, spoken(1000), is_closed=True)
    assert [each.id for each in owner.heard[1:] if isinstance(each, Request)] == [
        str(n) for n in range(1000)
    ]
    assert owner.reason == "the other end closed it"


async def test_an_error_of_ours_in_a_turn_ends_that_connection_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner = Owner(ValueError("ours"))
    await heard(owner, spoken(3))
    assert len(owner.heard) == 1
    assert owner.reason == "ours"
    assert "what was read can't be taken" in caplog.text
