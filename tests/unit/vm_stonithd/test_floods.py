# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest that asks without end makes of the machine: few lines, and no hurry."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.fence import MARGIN_S
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import Operation, Resource
from daemons.vm_stonithd.model.host_report import MOST_DONE, Stage
from daemons.vm_stonithd.model.pace import NOTHING, pause_s, tick_s
from pmkvm.fencing.role import Written
from pmkvm.service.bucket import LINES_BURST
from tests.unit.vm_stonithd.table import TARGET, Table, request

FLOOD = 300
# As many as vm-connectd lets a guest have under way.
AT_A_TIME = 32


def lines(table: Table, of: str) -> list[str]:
    return [each.text for each in table.all(actions.Log) if f" {of} " in each.text]


def flood(table: Table, **fields: object) -> None:
    for number in range(100, 100 + FLOOD):
        asked = request(number, **{"requester": "flooding", "hash": f"h{number}", **fields})  # type: ignore[arg-type]
        table.tell(events.Arrived(asked))
        if number % AT_A_TIME == 0:
            table.wait()


@pytest.mark.parametrize("refusal", ["", "the token is refused"])
def test_every_request_is_answered_and_few_are_logged(table: Table, refusal: str) -> None:
    flood(table, refusal=refusal, target="nobody", why="because")
    for _ in range(3):
        table.wait(10.0)
        table.tell(events.Arrived(request(1, requester="flooding", refusal="a token is missing")))
    assert len(table.answers()) == FLOOD + 1
    told = lines(table, "flooding")
    assert 10 < len(told) < LINES_BURST + 6
    assert any("are left out" in line for line in told[-3:])


def test_another_guests_lines_are_all_there(table: Table) -> None:
    flood(table, refusal="the token is refused")
    table.banned()
    table.proven()
    assert any(": OK, dead on host1, host2" in line for line in lines(table, "guest1"))
    assert "left out" not in lines(table, "guest1")[-1]


def test_what_killed_is_told_beyond_the_quota(table: Table) -> None:
    flood(table, refusal="the token is refused", requester="guest1")
    table.banned()
    table.proven()
    assert len([line for line in lines(table, "guest1") if ": OK, dead on" in line]) == 1


def test_an_answer_to_another_guest_is_still_remembered(table: Table) -> None:
    table.banned()
    table.proven()
    flood(table, target="nobody")
    table.wait()
    assert table.own is not None
    assert len(table.own.done) == MOST_DONE
    assert "guest1" in {one.requester for one in table.own.done}


@pytest.mark.parametrize("operation", list(Operation))
def test_who_only_asks_makes_nobody_hurry(table: Table, operation: Operation) -> None:
    table.tell(events.Arrived(request(operation=operation)))
    is_question = operation in (Operation.STATUS, Operation.LIST)
    assert (table.machine.quiet_s(table.now) == NOTHING) == is_question
    table.tell(events.Arrived(request(2, operation, refusal="the token is refused")))
    assert (table.machine.quiet_s(table.now) == NOTHING) == is_question


def test_nobody_hurries_for_a_refusal(table: Table) -> None:
    table.tell(events.Arrived(request(refusal="the token is refused")))
    assert table.machine.quiet_s(table.now) == NOTHING
    assert table.answers() == {1: "NG the token is refused"}


# --- what stays as it is


@pytest.mark.parametrize("operation", [Operation.RESET, Operation.OFF, Operation.ON])
def test_who_waits_for_what_stays_impossible_is_served_less_and_less(
    table: Table, operation: Operation
) -> None:
    table.view = table.view._replace(quorum=False)
    resource = table.view.resources[TARGET]._replace(runs_on=())
    table.view = table.view._replace(resources={**table.view.resources, TARGET: resource})
    table.tell(events.Arrived(request(operation=operation, seconds=300.0)))
    pauses = []
    for _ in range(300):
        table.wait(0.1)
        pauses.append(pause_s(table.machine.quiet_s(table.now), 0.1, 1.0))
    assert pauses[2] == 0.1
    assert pauses[-1] == 1.0


def test_an_answer_leaves_in_time_however_long_it_was_quiet(table: Table) -> None:
    """Of the 0.3 s that are kept for its way to the guest next to nothing is lost."""
    table.view = table.view._replace(quorum=False)
    table.tell(events.Arrived(request(seconds=60.0)))
    arrived = table.now
    while not table.answers():
        table.now += tick_s(table.machine.quiet_s(table.now))
        table.tell(events.Tick())
    assert table.now - arrived < 60.0 - MARGIN_S + 0.06


def test_a_fence_that_makes_progress_is_served_at_once_again(table: Table) -> None:
    table.tell(events.Arrived(request(seconds=60.0)))
    table.wait()
    table.written(table.last(actions.CreateBan))
    for _ in range(10):
        table.wait(1.0)
    assert table.machine.quiet_s(table.now) > 9.0
    table.look()
    assert table.machine.quiet_s(table.now) < 1.0
    for _ in range(10):
        table.wait(1.0)
    table.look()
    assert table.machine.quiet_s(table.now) > 9.0
    table.other_says(Stage.BARRED)
    assert table.machine.quiet_s(table.now) < 1.0


def test_a_ban_that_the_guard_refuses_is_tried_less_and_less(table: Table) -> None:
    table.tell(events.Arrived(request(seconds=60.0)))
    table.wait()
    for _ in range(100):
        table.wait(0.1)
        table.tell(events.Written(table.last(actions.CreateBan).ticket, Outcome.NOT_MATCHED))
    assert 4 <= len(table.all(actions.CreateBan)) <= 8
    for _ in range(50):
        table.wait(1.0)
    assert table.answers() == {1: "NG the CIB manager refuses the ban"}


def test_nothing_is_asked_for_an_off_that_is_answered(table: Table) -> None:
    """Its ban stands for another minute."""
    table.banned(Operation.OFF)
    table.proven()
    off = Resource(target_role="Stopped", own=Written("Stopped", "guest1"))
    table.view = table.view._replace(resources={**table.view.resources, TARGET: off})
    table.written(table.last(actions.SwitchOff))
    assert table.answers() == {1: "OK"}
    table.wait()
    assert table.view.bans
    assert table.machine.quiet_s(table.now) == NOTHING
