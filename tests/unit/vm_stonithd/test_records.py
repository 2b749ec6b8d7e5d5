# SPDX-License-Identifier: GPL-2.0-or-later
"""What is recorded of a fence, on the requester's host and on each participant."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.records import Records
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import REFUSED, Operation, Request
from daemons.vm_stonithd.model.host_report import Stage
from pmkvm.fencing.record import COORDINATOR, PARTICIPANT, TEXTS, Record
from tests.tree import ROOT
from tests.unit.vm_stonithd.table import LIFE, TARGET, WALL, Table, request


def records(table: Table, part: str) -> list[Record]:
    every = [each.record for each in table.all(actions.WriteRecord)]
    return [each for each in every if each.part == part]


def test_a_fence_is_one_line_of_the_coordinator(table: Table) -> None:
    table.banned(key_id="k1")
    table.proven()
    (one,) = records(table, COORDINATOR)
    assert one == Record(
        at=WALL + table.now,
        host="host1",
        part=COORDINATOR,
        operation="reset",
        target=TARGET,
        outcome="OK",
        reason="dead on host1, host2",
        target_uuid="uuid2",
        requester="guest1",
        requester_uuid="uuid1",
        request="hash1",
        key="k1",
        ban="b1",
        coordinator="host1",
        stages=one.stages,
    )
    assert list(one.stages) == ["write", "banned", "barred", "answer"]
    assert list(one.stages.values()) == sorted(one.stages.values())


def test_the_participant_s_line_tells_of_the_kill(table: Table) -> None:
    table.other_ban()
    table.look(LIFE)
    table.tell(events.Killed(table.last(actions.Kill).ticket))
    table.wait()
    table.look()
    assert records(table, PARTICIPANT) == []
    table.other_says(Stage.BARRED, "b2")
    table.look()
    (one,) = records(table, PARTICIPANT)
    assert (one.outcome, one.reason) == ("OK", f"QEMU {LIFE.pid} has died")
    assert (one.requester, one.request, one.ban, one.coordinator) == (
        "guest3",
        "hash3",
        "b2",
        "host2",
    )
    assert (one.requester_uuid, one.key) == ("", "")
    assert list(one.stages) == ["kill", "barred", "dead"]
    # The ban's end is nothing new.
    table.show(None)
    table.wait()
    assert len(records(table, PARTICIPANT)) == 1
    assert records(table, COORDINATOR) == []


def test_a_ban_that_goes_before_this_host_says_dead_is_told(table: Table) -> None:
    table.other_ban()
    table.look()
    table.show(None)
    table.wait()
    (one,) = records(table, PARTICIPANT)
    assert (one.outcome, one.reason) == ("NG", "the ban went when this host said barred")


def test_a_qemu_that_comes_under_the_ban_is_a_further_line(table: Table) -> None:
    table.banned()
    table.proven()
    table.wait(1.0)
    table.look(LIFE)
    table.tell(events.Killed(table.last(actions.Kill).ticket))
    table.wait()
    table.look()
    table.look()
    first, second = records(table, PARTICIPANT)
    assert first.reason == "no QEMU here"
    assert second.reason == f"QEMU {LIFE.pid} has died"


def test_a_refusal_is_told_with_what_the_guest_must_not_learn(table: Table) -> None:
    table.ask(refusal=REFUSED, why="the token for guest2 does not allow reset", key_id="k1")
    (one,) = records(table, COORDINATOR)
    assert (one.outcome, one.reason) == ("NG", "the token for guest2 does not allow reset")
    assert (one.key, one.ban, dict(one.stages)) == ("k1", "", {"answer": 0})


def test_a_target_that_is_not_there_is_told_to_the_host_alone(table: Table) -> None:
    table.ask(target="nobody")
    (one,) = records(table, COORDINATOR)
    assert one.reason == "nobody is no VirtualDomain of this cluster that can be fenced"
    assert REFUSED in table.answers()[1]


def test_an_ng_says_what_lacked(table: Table) -> None:
    table.banned()
    table.look()
    table.wait(15.0)
    (one,) = records(table, COORDINATOR)
    assert (one.outcome, one.reason) == ("NG", "not proven on host2: it says silent")
    assert one.ban == "b1"
    assert "barred" not in one.stages


def test_a_request_whose_sender_has_gone_has_no_answer(table: Table) -> None:
    table.ask()
    table.written(table.last(actions.CreateBan), Outcome.SENDER_GONE)
    (one,) = records(table, COORDINATOR)
    assert (one.outcome, one.ban) == ("GONE", "")


def test_a_repeated_answer_is_told_as_such(table: Table) -> None:
    table.banned()
    table.proven()
    table.ask(2)
    first, second = records(table, COORDINATOR)
    assert (second.outcome, second.reason, second.ban) == ("OK", "as answered before", first.ban)
    assert list(second.stages) == ["answer"]


@pytest.mark.parametrize("operation", [Operation.STATUS, Operation.LIST])
def test_to_ask_is_not_recorded(table: Table, operation: Operation) -> None:
    table.ask(operation=operation, allowed=(TARGET, "reset"))
    assert table.answers()
    assert table.all(actions.WriteRecord) == []


def test_an_on_is_recorded(table: Table) -> None:
    table.ask(operation=Operation.ON)
    table.wait(15.0)
    (one,) = records(table, COORDINATOR)
    assert (one.operation, one.outcome, one.reason) == ("on", "NG", "it does not run yet")


def test_who_is_refused_without_end_fills_no_disk(table: Table) -> None:
    for number in range(1000):
        table.tell(events.Arrived(refused(number)))
    assert len(records(table, COORDINATOR)) == 60
    table.wait(30.0)
    table.tell(events.Arrived(refused(2000)))
    last = records(table, COORDINATOR)[-1]
    assert "940 lines about it before this one are left out" in last.reason


def refused(number: int) -> Request:
    return request(number, hash=f"h{number}", refusal=REFUSED, why="no")


def test_each_field_has_its_row_in_the_manual() -> None:
    manual = (ROOT / "doc" / "fencing.md").read_text(encoding="utf-8")
    section = manual.partition("## What is recorded")[2].partition("\n## ")[0]
    names = ["schema", "time", "ms", *TEXTS, "write", "banned", "barred", "answer", "kill", "dead"]
    assert [each for each in names if f"`{each}`" not in section] == []


def test_a_settle_ban_is_no_fence(table: Table) -> None:
    table.other_ban("settle", requester="", request="")
    table.show(None)
    table.wait()
    assert table.all(actions.WriteRecord) == []


def test_what_fails_here_fails_no_fence(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_records: Records, _event: events.Event) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Records, "advance", fail)
    table.banned()
    table.proven()
    assert table.answers() == {1: "OK"}
    assert table.all(actions.WriteRecord) == []
    assert any(each.is_error and "not recorded" in each.text for each in table.all(actions.Log))
