# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-stonithd does while attrd does not take its reports: all but the answers goes on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd import executor
from daemons.vm_stonithd.cluster.report_exchange import ReportExchange
from daemons.vm_stonithd.executor import Executor
from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.intake.desk import Desk
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.token_readers import Readers
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.host_report import HostReport
from pmkvm import run as runner
from pmkvm import settings
from pmkvm.fencing.ban import Ban
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit import exhaustion
from tests.unit.vm_stonithd.unread_cib import UnreadCib
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NEVER = float("inf")


class Exchange(ReportExchange):
    """An attrd that takes reports when it is let."""

    def __init__(self) -> None:
        super().__init__(ThreadCalls(0), lambda _event: None, lambda: 0.0, lambda: False)
        self.is_hanging = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on_once = False
        self.takes = True
        self.said: list[float] = []

    async def say(self, own: HostReport) -> bool:
        self.is_hanging.set()
        await self.goes_on.wait()
        if self.goes_on_once:
            self.goes_on.clear()
        self.said.append(own.up)
        return self.takes


class Answers(Desk):
    said: list[tuple[int, str]]

    def answer(self, number: int, text: str) -> None:
        self.said.append((number, text))


class Hands:
    """An executor, and what was told."""

    def __init__(self) -> None:
        self.told: list[events.Event] = []
        self.configs: dict[str, Parameter] = {}
        watch, domain_uuids = UnreadCib(), DomainUuids(lambda: self.configs)
        self.attrd = Exchange()
        readers = Readers(Keys("/nowhere"))
        desk = Answers(readers, watch, domain_uuids, ThreadCalls(0), self.told.append)
        self.answers = desk.said = []
        whole = (watch, domain_uuids, self.attrd, desk)
        self.executor = Executor(*whole, self.told.append, lambda: None)


@pytest.fixture(autouse=True)
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of Pacemaker's tools, none of which is started: each ends well, and says nothing."""
    ran: list[str] = []

    def end(argv: list[str], **_options: object) -> Completed:
        ran.append(argv[0])
        return Completed(0, "", "")

    monkeypatch.setattr(runner, "run", end)
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path))
    return ran


@contextlib.asynccontextmanager
async def at_work() -> AsyncIterator[Hands]:
    hands = Hands()
    task = asyncio.get_running_loop().create_task(hands.executor.run())
    try:
        yield hands
    finally:
        task.cancel()


async def test_reports_that_are_not_taken_keep_nothing_else_waiting() -> None:
    async with at_work() as hands:
        hands.executor.add([actions.Say(HostReport(1.0)), actions.ReadPendingStops(7)])
        await until(lambda: hands.told)
        assert hands.told == [events.PendingStopsSeen(7, {})]
        assert hands.attrd.said == []


async def test_an_answer_without_a_report_before_it_goes_at_once() -> None:
    async with at_work() as hands:
        hands.executor.add([actions.Answer(1, "NG no quorum", NEVER)])
        await until(lambda: hands.answers)
        hands.executor.add([actions.Answer(2, "OK")])
        await until(lambda: len(hands.answers) > 1)
        assert hands.answers == [(1, "NG no quorum"), (2, "OK")]


async def test_an_answer_waits_for_the_report_that_it_comes_with() -> None:
    async with at_work() as hands:
        hands.executor.add([actions.Say(HostReport(1.0)), actions.Answer(1, "OK", NEVER)])
        await hands.attrd.is_hanging.wait()
        hands.executor.add([actions.Say(HostReport(2.0)), actions.Answer(2, "NG no", NEVER)])
        hands.executor.add([actions.ReadPendingStops(7)])
        await until(lambda: hands.told)
        assert hands.answers == []
        hands.attrd.goes_on_once = True
        hands.attrd.goes_on.set()
        await until(lambda: hands.answers)
        assert (hands.attrd.said, hands.answers) == ([1.0], [(1, "OK")])
        hands.attrd.goes_on.set()
        await until(lambda: len(hands.answers) == 2)
        assert hands.answers == [(1, "OK"), (2, "NG no")]


async def test_an_answer_waits_longer_when_its_report_is_refused() -> None:
    async with at_work() as hands:
        hands.attrd.goes_on.set()
        hands.attrd.takes = False
        hands.executor.add([actions.Say(HostReport(1.0)), actions.Answer(1, "OK", NEVER)])
        await until(lambda: hands.attrd.said)
        assert hands.answers == []
        hands.attrd.takes = True
        hands.executor.add([actions.Say(HostReport(2.0))])
        await until(lambda: hands.answers)


async def test_of_reports_that_wait_only_the_newest_is_said() -> None:
    async with at_work() as hands:
        hands.executor.add([actions.Say(HostReport(1.0))])
        await hands.attrd.is_hanging.wait()
        hands.executor.add([actions.Say(HostReport(up)) for up in (2.0, 3.0, 4.0)])
        hands.executor.add([actions.ReadPendingStops(7)])
        await until(lambda: hands.told)
        hands.attrd.goes_on.set()
        await until(lambda: len(hands.attrd.said) == 2)
        assert hands.attrd.said == [1.0, 4.0]


async def test_an_answer_whose_time_is_over_waits_for_nobody() -> None:
    """Nobody sends that request again: there is nothing that a report could keep from happening."""
    async with at_work() as hands:
        hands.executor.add([actions.Say(HostReport(1.0)), actions.Answer(1, "OK", NEVER)])
        hands.executor.add([actions.Answer(3, "NG no quorum")])
        await until(lambda: hands.answers)
        soon = time.monotonic() + 0.2
        hands.executor.add([actions.Answer(2, "OK", soon)])
        await until(lambda: len(hands.answers) == 2)
        assert hands.answers == [(3, "NG no quorum"), (2, "OK")]
        assert time.monotonic() >= soon
        assert hands.attrd.said == []


BAN = Ban("guest2", "reset", "b1", "guest1", "h", "host1", "uuid2", 1795370064)


async def test_a_ban_ends_after_the_report_about_it(commands: list[str]) -> None:
    async with at_work() as hands:
        hands.executor.add([actions.Say(HostReport(1.0)), actions.RemoveBan(7, BAN)])
        await hands.attrd.is_hanging.wait()
        await asyncio.sleep(0.1)
        assert commands == []
        hands.attrd.goes_on.set()
        await until(lambda: hands.told)
        assert hands.attrd.said == [1.0]
        assert (commands, hands.told) == (["cibadmin"], [events.Written(7, Outcome.DONE)])


async def test_a_ban_ends_without_a_report_when_attrd_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "REPORTS_S", 0.2)
    async with at_work() as hands:
        hands.executor.add([actions.Say(HostReport(1.0)), actions.RemoveBan(7, BAN)])
        await until(lambda: hands.told)
        assert (hands.attrd.said, hands.told) == ([], [events.Written(7, Outcome.DONE)])


async def test_a_definition_that_cannot_be_told_is_one_witness_less(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Others remain, and the QEMUs of the ban's uuid are looked for all the same."""
    monkeypatch.setattr(settings, "PROC", str(tmp_path))
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    async with at_work() as hands:
        varies = Parameter(("/a.xml", "/b.xml"), "", "start may be given another config")
        hands.configs = {"guest2": varies}
        hands.executor.add([actions.Look(7, "guest2", "uuid2"), actions.Look(8, "gone", "uuid2")])
        await until(lambda: len(hands.told) == 2)
        expected = {events.Looked(number, (), is_remembered=False) for number in (7, 8)}
        assert {event for event in hands.told if isinstance(event, events.Looked)} == expected
    assert "can't be told: start may be given another config" in caplog.text
    assert "gone: one witness less: gone is no VirtualDomain" in caplog.text


async def test_a_pending_stop_that_finds_no_thread_to_be_written_in_is_kept() -> None:
    pending_stop = PendingStop("9c41", "uuid2", None, 1.0)
    async with at_work() as hands:
        with exhaustion.no_threads():
            hands.executor.add([actions.WritePendingStop("guest2", pending_stop)])
            await until(lambda: bool(hands.executor.pending_stop_files.troubles))
        assert hands.executor.pending_stop_files.read()["guest2"][0] == pending_stop
