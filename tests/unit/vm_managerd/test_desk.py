# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests' questions and their answers, without a cluster and without a channel."""

from __future__ import annotations

import asyncio
import contextlib
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from daemons.vm_managerd import desk as desks
from daemons.vm_managerd import rules
from daemons.vm_managerd.desk import Desk
from pmkvm.errors import DeadlineError
from pmkvm.wire.message import Forwarded, Sender
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RULES = rules.parse("[ping]\nred = lt 100\n[disk]\n")


class Host:
    """A desk with what is around it."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.trouble: Exception | None = None
        self.looks = 0
        self.replies: list[tuple[int, str]] = []

    @cached_property
    def desk(self) -> Desk:
        """Made in a loop: before Python 3.10 an event belongs to one."""
        return Desk(RULES, self.look, self.reply)

    async def look(self) -> dict[str, str]:
        self.looks += 1
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        return self.attributes

    def reply(self, request: Forwarded, body: str) -> None:
        self.replies.append((request.route, body))

    def ask(self, body: str, *, route: int = 1, id_: str = "i", seconds: float = 60.0) -> None:
        sender = Sender("u1", 1, 2, "g1", "prm-g1")
        self.desk.requested(Forwarded(route, sender, "monitor", id_, seconds, body))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(desks, "RETRY_S", 0.01)
    return Host()


@contextlib.asynccontextmanager
async def at_work(desk: Desk) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(desk.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_guest_gets_what_the_rules_say_and_nothing_else(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.attributes = {"ping": "0", "disk": "a, b", "secret": "1"}
    async with at_work(host.desk):
        host.ask("ping disk secret gone")
        await until(lambda: host.replies)
    assert host.replies == [(1, "ping=red,disk=a%2C b,secret=,gone=")]
    assert 'guest "prm-g1" asks for secret, which has no section' in caplog.text


async def test_questions_of_many_are_answered_from_one_look(host: Host) -> None:
    for number in range(50):
        host.ask("ping", route=number, id_=f"{number}")
    async with at_work(host.desk):
        await until(lambda: len(host.replies) == 50)
    assert host.looks == 1


async def test_one_that_is_sent_again_is_answered_once_by_its_new_way(host: Host) -> None:
    host.ask("ping", route=1)
    host.ask("ping", route=2)
    async with at_work(host.desk):
        await until(lambda: host.replies)
    assert host.replies == [(2, "ping=")]


@pytest.mark.parametrize("body", ["", "a'b", "\x1b[2J", "a" * 1000])
async def test_no_question_is_refused_at_once_and_shown_escaped(
    host: Host, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    """In 2011 a client whose question was empty hung."""
    host.ask(body)
    ((route, text),) = host.replies
    assert route == 1
    assert text.startswith("NG ")
    assert all(line.isprintable() for line in caplog.text.splitlines())
    assert host.desk.waiting == 0


async def test_what_cannot_be_read_is_no_answer_and_is_tried_again(host: Host) -> None:
    host.trouble = DeadlineError("cibadmin does not answer")
    host.ask("ping", id_="late", seconds=0.01)
    host.ask("ping", route=2)
    async with at_work(host.desk):
        await until(lambda: host.looks > 3)
        assert host.replies == []
        assert "cibadmin does not answer" in host.desk.state
        host.trouble, host.attributes = None, {"ping": "100"}
        await until(lambda: host.replies)
    assert host.replies == [(2, "ping=100")]


async def test_what_waits_is_bounded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "MOST_WAITING", 3)
    for number in range(5):
        host.ask("ping", route=number, id_=f"{number}")
    assert host.desk.waiting == 3
    assert host.replies == [(route, "NG too many questions at a time") for route in (3, 4)]


async def test_a_value_that_has_no_form_for_guests_is_not_told(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.attributes = {"disk": "x" * 256, "ping": "100"}
    async with at_work(host.desk):
        host.ask("disk ping")
        await until(lambda: host.replies)
    assert host.replies == [(1, "disk=,ping=100")]
    assert "is not told disk" in caplog.text
