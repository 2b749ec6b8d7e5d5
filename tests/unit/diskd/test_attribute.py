# SPDX-License-Identifier: GPL-2.0-or-later
"""What attrd is told, and when."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from daemons.diskd import attribute
from daemons.diskd.attribute import Attribute
from pmkvm import run as runner
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Attrd:
    """What it has taken; is_there: whether it takes anything; lets: whether it answers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.calls = 0
        self.is_there = True
        self.lets = threading.Event()
        self.lets.set()

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        self.calls += 1
        self.lets.wait(60)
        assert argv[:2] == ("attrd_updater", "--name=diskcheck_status")
        if not self.is_there:
            return Completed(102, "", "Could not connect")
        self.told.append(tuple(argv[2:]))
        return Completed(0, "", "")

    @property
    def values(self) -> list[str]:
        return [each[0].partition("=")[2] for each in self.told]


@pytest.fixture
def attrd(monkeypatch: pytest.MonkeyPatch) -> Attrd:
    made = Attrd()
    monkeypatch.setattr(runner, "run", made.run)
    monkeypatch.setattr(attribute, "RETRY_S", 0.02)
    return made


class Host:
    def __init__(self, value: str | None) -> None:
        self.value = value
        self.ready = 0
        self.attribute = Attribute("diskcheck_status", "5s", lambda: self.value, ThreadCalls(2))

    def set(self, value: str) -> None:
        self.value = value
        self.attribute.change()

    def hear_ready(self) -> None:
        self.ready += 1


@contextlib.asynccontextmanager
async def at_work(value: str | None) -> AsyncIterator[Host]:
    host = Host(value)
    task = asyncio.ensure_future(host.attribute.run(host.hear_ready))
    try:
        yield host
    finally:
        # Before Python 3.12 wait_for() loses one that comes together with a result.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=5.0)


async def test_the_first_value_sets_the_dampening_too_and_is_what_ready_means(
    attrd: Attrd,
) -> None:
    async with at_work("normal") as host:
        await until(lambda: host.ready)
        host.set("ERROR")
        await until(lambda: len(attrd.told) == 2)
    assert attrd.told == [
        ("--update-both=normal", "--delay=5s"),
        ("--update=ERROR", "--delay=5s"),
    ]
    assert host.ready == 1
    assert host.attribute.complaint == ""


async def test_it_is_told_again_since_attrd_may_have_lost_it(
    attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribute, "REPEAT_S", 0.02)
    async with at_work("normal"):
        await until(lambda: len(attrd.told) > 3)
    assert set(attrd.values) == {"normal"}


async def test_what_is_not_told_for_long_is_no_value(
    attrd: Attrd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attrd.is_there = False
    async with at_work("normal") as host:
        await until(lambda: attrd.calls > 3)
        said = host.attribute.complaint
        assert said.startswith("attribute diskcheck_status is not set: attrd did not take normal: ")
        assert not host.ready
        attrd.is_there = True
        await until(lambda: host.ready)
        assert host.attribute.complaint == ""
        monkeypatch.setattr(attribute, "STALE_S", -1.0)
        assert host.attribute.complaint == "attribute diskcheck_status is not set"
    # Once, not at each attempt.
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_while_nothing_is_known_nothing_is_told_but_not_for_long(
    attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribute, "FIRST_S", 0.1)
    async with at_work(None) as host:
        assert attrd.values == []
        await until(lambda: host.ready)
        assert attrd.values == ["ERROR"]
        host.set("normal")
        await until(lambda: attrd.values == ["ERROR", "normal"])


async def test_nothing_is_told_after_the_end(attrd: Attrd) -> None:
    """The agent deletes the attribute then."""
    async with at_work("normal") as host:
        await until(lambda: host.ready)
        attrd.lets.clear()
        host.set("ERROR")
        await until(lambda: attrd.calls == 2)
        asyncio.get_running_loop().call_later(0.2, attrd.lets.set)
    # The end has waited for the call that was under way.
    assert attrd.values == ["normal", "ERROR"]
