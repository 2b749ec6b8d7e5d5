# SPDX-License-Identifier: GPL-2.0-or-later
"""While nothing is under way: what then is asked, and what ends the rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daemons.vm_stonithd.cluster import report_exchange
from daemons.vm_stonithd.cluster.report_exchange import ReportExchange
from daemons.vm_stonithd.model import actions, events, rest
from daemons.vm_stonithd.model.facts import Operation
from daemons.vm_stonithd.model.host_report import BanReport, HostReport, Stage
from daemons.vm_stonithd.model.pace import NOTHING
from pmkvm.pacemaker import attributes
from pmkvm.pacemaker.cib import Version
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit.vm_stonithd.table import WALL, request
from tests.unit.waiting import until

if TYPE_CHECKING:
    import pytest

    from daemons.vm_stonithd.model.events import ReportsSeen
    from tests.unit.vm_stonithd.table import Table


def test_a_file_is_a_witness_while_it_has_what_the_cib_manager_has() -> None:
    assert rest.is_witness(Version(0, 7), Version(0, 7))
    assert not rest.is_witness(Version(0, 6), Version(0, 7))
    assert not rest.is_witness(None, Version(0, 7))
    assert not rest.is_witness(None, None)


def test_a_host_rests_once_it_knows_the_others_clocks(table: Table) -> None:
    assert table.machine.may_rest
    for pause_s, may_rest in ((0.5, False), (4.0, False), (0.5, True)):
        table.now += pause_s
        said = HostReport(WALL + table.now)
        table.tell(events.ReportsSeen({"host2": said, "host3": said}, table.now))
        assert table.machine.may_rest == may_rest
    table.tell(events.Arrived(request()))
    assert not table.machine.may_rest


def test_another_host_that_speaks_of_a_ban_ends_the_rest(table: Table) -> None:
    """This host's CIB manager may not have been able to write it to its file."""
    for count in range(4):
        table.now += 0.5
        bans = {"b1": BanReport(Stage.BARRED)} if count == 3 else {}
        table.tell(events.ReportsSeen({"host2": HostReport(WALL + table.now, bans)}, table.now))
        assert table.machine.is_idle == (count < 3)
    assert not table.machine.may_rest
    # It is dead: its word stays in attrd.
    table.now += 16.0
    table.tell(events.Tick())
    assert table.machine.is_idle


def test_a_reading_with_old_company_is_news_to_no_request(table: Table) -> None:
    """What crm_mon and crm_node said may be hours old by then."""
    table.tell(events.CibSeen(table.view, 0, table.now))
    table.now += 0.1
    table.tell(events.Arrived(request(operation=Operation.STATUS)))
    table.now += 0.1
    table.tell(events.CibSeen(table.view, 0, table.now, is_whole=False))
    assert table.all(actions.Answer) == []
    table.tell(events.CibSeen(table.view, 0, table.now))
    assert len(table.all(actions.Answer)) == 1


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[ReportsSeen] = []
        self.may_rest = True
        self.quiet_s = NOTHING
        monkeypatch.setattr(attributes, "hear", lambda *_: {})
        monkeypatch.setattr(attributes, "say", lambda *_: None)
        monkeypatch.setattr(report_exchange, "IDLE_S", 0.02)
        monkeypatch.setattr(rest, "HEAR_S", 60.0)
        self.exchange = ReportExchange(
            ThreadCalls(8), self.heard.append, lambda: self.quiet_s, lambda: self.may_rest
        )

    async def settle(self) -> int:
        await asyncio.sleep(0.2)
        return len(self.heard)


async def test_at_rest_the_others_are_heard_rarely_and_at_once_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch)
    task = asyncio.get_running_loop().create_task(scene.exchange.run())
    try:
        assert await scene.settle() == 1
        # Of what is new one hears what attrd has of it; not of the time of day alone.
        await scene.exchange.say(HostReport(1.0))
        assert await scene.settle() == 2
        await scene.exchange.say(HostReport(2.0))
        assert await scene.settle() == 2
        await scene.exchange.say(HostReport(3.0, {"b1": BanReport(Stage.BARRED)}))
        assert await scene.settle() == 3
        scene.may_rest = False
        scene.exchange.ask()
        await until(lambda: len(scene.heard) >= 6)
    finally:
        task.cancel()
