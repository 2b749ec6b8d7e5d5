# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests side by side: a guest waits for itself, and for nobody else."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

import pytest

from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.intake import desk as desks
from daemons.vm_stonithd.intake.desk import AT_A_TIME, Desk
from daemons.vm_stonithd.intake.grant import Grant
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.legacy_tokens import Decoder
from daemons.vm_stonithd.intake.token_readers import Readers
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.wire.message import Forwarded, Sender
from pmkvm.wire.registration import Registration
from tests.unit import exhaustion
from tests.unit.vm_stonithd.unread_cib import UnreadCib
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.intake.grant import TokenReader
    from daemons.vm_stonithd.model.facts import Request

SECONDS = 30.0
MANY = 20
T = TypeVar("T")


# Of none of them is a definition on this host, which a question does not need.
TARGETS = {each: Parameter() for each in ("prm-target", *(f"token{n}" for n in range(MANY + 1)))}
DEFINITIONS = DomainUuids(lambda: TARGETS)


def asked(guest: str, number: int) -> Forwarded:
    sender = Sender(f"uuid-{guest}", 10, 1, guest, guest)
    return Forwarded(number, sender, "stonith", f"id-{number}", SECONDS, "status prm-target")


def desk_of(tokens: TokenReader, told: list[Request], calls: ThreadCalls | None = None) -> Desk:
    """What it tells the machine is told in order."""
    readers = Readers(Keys("/nowhere"), tokens)
    whole = (readers, UnreadCib(), DEFINITIONS, calls or ThreadCalls(AT_A_TIME))
    return Desk(*whole, lambda event: told.append(event.request))


@pytest.mark.parametrize("guests", [1, 3 * AT_A_TIME])
async def test_many_at_once_are_all_read_and_none_is_refused(guests: int) -> None:
    told: list[Request] = []
    # A command that takes its time: a process for each token.
    desk = desk_of(Decoder("/bin/sh -c 'sleep .02; cat'", is_on_stdin=True), told)
    for number in range(3 * AT_A_TIME):
        desk.arrived(asked(f"guest{number % guests}", number))
    await until(lambda: len(told) >= 3 * AT_A_TIME)
    assert [request.refusal for request in told] == [""] * 3 * AT_A_TIME


async def test_no_request_keeps_its_host_busy_for_longer_than_five_minutes() -> None:
    told: list[Request] = []
    desk = desk_of(Tokens(), told)
    for number, seconds in enumerate((301.0, 3600.0, float("inf"))):
        desk.arrived(asked("guest1", number)._replace(seconds=seconds))
    await until(lambda: len(told) == 3)
    # Less what the reading has taken.
    assert all(0 < request.seconds <= 300 for request in told)


class Tokens:
    """Read at once, but for one that is stuck until the end."""

    def __init__(self, stuck: str = "") -> None:
        self._stuck = stuck
        self.may_end = threading.Event()

    def read(self, token: str) -> Grant:
        if token == self._stuck:
            self.may_end.wait(SECONDS)
        return Grant(token)


async def test_a_flood_is_read_in_order_and_another_guest_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desks, "READ_S", SECONDS)
    told: list[Request] = []
    tokens = Tokens("token0")
    desk = desk_of(tokens, told)
    for number in range(MANY):
        desk.arrived(asked("flooding", number)._replace(body=f"status token{number}"))
    desk.arrived(asked("other", 99))
    # The first of the flood is being read all the time.
    await until(lambda: told, SECONDS)
    tokens.may_end.set()
    await until(lambda: len(told) == MANY + 1, SECONDS)
    assert [one.requester for one in told] == ["other"] + ["flooding"] * MANY
    flood = [one.number for one in told[1:]]
    assert flood == sorted(flood)


class Counted(ThreadCalls):
    count = 0

    async def call(self, what: str, function: Callable[[], T], seconds: float) -> T:
        self.count += 1
        return await super().call(what, function, seconds)


async def read_of_one(tokens: Tokens, calls: ThreadCalls | None = None) -> list[Request]:
    """Many requests of one guest at one instant, in the order in which they were read."""
    told: list[Request] = []
    desk = desk_of(tokens, told, calls)
    for number in range(1, MANY + 1):
        desk.arrived(asked("guest", number)._replace(body=f"status token{number}"))
    await until(lambda: len(told) == MANY, SECONDS)
    tokens.may_end.set()
    return told


@pytest.mark.parametrize(("moment_s", "count"), [(SECONDS, 1), (0.0, MANY)])
async def test_what_waits_of_a_guest_is_read_together_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, moment_s: float, count: int
) -> None:
    monkeypatch.setattr(desks, "MOMENT_S", moment_s)
    calls = Counted(AT_A_TIME)
    told = await read_of_one(Tokens(), calls)
    assert [request.number for request in told] == list(range(1, MANY + 1))
    assert calls.count == count


async def test_a_request_that_is_not_read_in_time_takes_none_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desks, "READ_S", 2.0)
    monkeypatch.setattr(desks, "MOMENT_S", SECONDS)
    told = await read_of_one(Tokens("token7"))
    assert [request.number for request in told] == list(range(1, MANY + 1))
    refused = {request.number: request.refusal for request in told if request.refusal}
    assert refused == {7: "out of time while reading a request"}


class Replies(Registration):
    """One that takes every answer."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def reply(self, request: Forwarded, body: str) -> bool:  # noqa: ARG002 - as it is called
        self.said.append(body)
        return True


async def lacking(
    seconds: float, tokens: TokenReader, lack_s: float
) -> tuple[list[Request], list[str], float]:
    """Two requests of so many seconds while no thread can be had, for lack_s or until they are
    answered: what the machine is told, what is answered, and how long that took."""
    told: list[Request] = []
    loop = asyncio.get_running_loop()
    desk = desk_of(tokens, told)
    answers = desk.registration = Replies()
    with exhaustion.no_threads():
        began = loop.time()
        for number in (1, 2):
            desk.arrived(asked("guest", number)._replace(seconds=seconds))
        while loop.time() < began + lack_s and len(answers.said) < 2:
            await asyncio.sleep(0.01)
    await until(lambda: len(told) + len(answers.said) == 2, SECONDS)
    assert desk.open.keys() == {one.number for one in told}
    return told, answers.said, loop.time() - began


@pytest.mark.parametrize("tokens", [Tokens(), Decoder("/bin/cat", is_on_stdin=True)])
async def test_requests_wait_for_a_thread_or_a_process_as_long_as_they_have_time(
    tokens: TokenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "AGAIN_S", 0.05)
    told, answers, _took_s = await lacking(SECONDS, tokens, lack_s=0.5)
    assert [request.refusal for request in told] == ["", ""]
    assert answers == []


async def test_a_request_that_nobody_could_read_is_answered_before_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desks, "AGAIN_S", 0.05)
    monkeypatch.setattr(desks, "LAST_ANSWER_S", 19.7)
    told, answers, took_s = await lacking(20.0, Tokens(), lack_s=20.0)
    assert told == []
    assert answers == ["NG no thread can be started for reading a request"] * 2
    assert took_s < 20.0


async def test_a_request_that_is_read_too_late_is_the_machine_s_to_refuse() -> None:
    """Which records it."""
    told: list[Request] = []
    desk = desk_of(Tokens(), told)
    desk.arrived(asked("guest", 1)._replace(seconds=0.0))
    await until(lambda: told)
    assert told[0].refusal == "its time was over before its token was read"


class Broken(Tokens):
    def read(self, token: str) -> Grant:
        raise ValueError(token)


async def test_an_error_of_ours_refuses_its_request_and_takes_none_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = await read_of_one(Broken())
    assert {request.refusal for request in told} == {"vm-stonithd can't read it"}
    assert "ValueError" in caplog.text
