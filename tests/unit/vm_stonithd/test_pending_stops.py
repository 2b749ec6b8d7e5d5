# SPDX-License-Identifier: GPL-2.0-or-later
"""Pending stops: settled, touched, void and dropped, told to the machine by hand."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.model import actions, events
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.process import Life
from tests.unit.vm_stonithd.table import ENDED, LIFE, RUNS, TARGET, Table


def pending_stops(table: Table, pending_stop: PendingStop, *lives: Life) -> None:
    table.wait(0.1)
    table.wait(1.0)
    ticket = table.last(actions.ReadPendingStops).ticket
    table.tell(events.PendingStopsSeen(ticket, {TARGET: (pending_stop, lives)}))
    table.wait(0.1)


def test_an_unpaid_pending_stop_is_settled_where_pacemaker_believes_the_guest(table: Table) -> None:
    table.becomes(histories={("host1", TARGET): RUNS, ("host2", TARGET): ENDED})
    pending_stops(table, PendingStop("b0", "uuid2", LIFE, table.now))
    settle = table.last(actions.SettleBan)
    assert settle.ban.value == "settle:b1:::host1:uuid2"
    assert settle.call_id == RUNS.call_id
    table.written(settle)
    assert not table.all(actions.Kill) + table.all(actions.Look)
    table.ended()
    assert table.last(actions.RemoveBan).ban == settle.ban


@pytest.mark.parametrize("history", [ENDED, RUNS._replace(pending=True), None])
def test_no_settle_where_there_is_nothing_to_stop(table: Table, history: object) -> None:
    here = {} if history is None else {("host1", TARGET): history}
    table.becomes(histories={**here, ("host2", TARGET): ENDED})
    pending_stops(table, PendingStop("b0", "uuid2", LIFE, table.now))
    assert table.all(actions.SettleBan) == []


def test_void_and_paid_pending_stops_go_and_others_are_touched(table: Table) -> None:
    void = PendingStop("b0", "uuid2", LIFE, table.now)
    pending_stops(table, void, Life(99, 9))
    assert table.last(actions.RemovePendingStop).pending_stop == void
    pending_stops(table, void)
    assert len(table.all(actions.RemovePendingStop)) == 2
    running = Table()
    running.becomes(histories={("host1", TARGET): RUNS, ("host2", TARGET): RUNS})
    old = PendingStop("b0", "uuid2", LIFE, running.now - 100)
    pending_stops(running, old)
    assert running.last(actions.TouchPendingStop).pending_stop == old


def test_a_pending_stop_that_is_not_obeyed_in_five_minutes_is_dropped(table: Table) -> None:
    table.becomes(histories={("host1", TARGET): RUNS, ("host2", TARGET): RUNS})
    pending_stops(table, PendingStop("b0", "uuid2", LIFE, table.now))
    table.wait(290.0)
    pending_stops(table, PendingStop("b0", "uuid2", LIFE, table.now))
    assert table.all(actions.RemovePendingStop) == []
    table.wait(15.0)
    pending_stops(table, PendingStop("b0", "uuid2", LIFE, table.now))
    assert table.all(actions.RemovePendingStop)


def test_a_view_of_before_the_pending_stop_is_no_judge_of_it(table: Table) -> None:
    """Nobody read the CIB for a while, and the target has started, was killed, and is owed."""
    table.becomes(histories={("host1", TARGET): ENDED})
    table.now += 8.0
    table.tell(events.CibSeen(table.view, began=table.now - 8.0))
    pending_stop = PendingStop("b1", "uuid2", LIFE, table.now)
    ticket = table.last(actions.ReadPendingStops).ticket
    table.tell(events.PendingStopsSeen(ticket, {TARGET: (pending_stop, ())}))
    assert table.all(actions.RemovePendingStop) == []
