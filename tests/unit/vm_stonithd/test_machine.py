# SPDX-License-Identifier: GPL-2.0-or-later
"""Single rules of the machine, each told by hand."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd import actions, events
from daemons.vm_stonithd.events import Outcome
from daemons.vm_stonithd.facts import Operation, Resource, Standing
from daemons.vm_stonithd.words import Done, Stage, Words
from pmkvm.fencing.ban import Ban
from pmkvm.fencing.debt import Debt
from pmkvm.process import Life
from tests.unit.vm_stonithd.table import (
    BOTH,
    ENDED,
    GUEST1,
    LIFE,
    RUNS,
    SENDER,
    TARGET,
    WALL,
    Table,
    request,
    view,
)


@pytest.fixture
def table() -> Table:
    return Table()


def other_ban(table: Table, operation: str = "reset", owner: str = "host2", **more: str) -> Ban:
    fields = {"requester": "guest3", "request": "hash3", "uuid": "uuid2", **more}
    ban = Ban(TARGET, operation, "b2", owner=owner, end=int(WALL + table.now) + 60, **fields)
    table.show(ban)
    table.wait()
    return ban


def ended(table: Table) -> None:
    """Pacemaker has recorded the stop."""
    histories = {("host1", TARGET): ENDED, ("host2", TARGET): ENDED}
    table.view = table.view._replace(histories=histories)
    table.wait()


def test_a_reset_is_proven_in_two_rounds_and_ended_after_the_record(table: Table) -> None:
    ban = table.banned()
    assert (ban.operation, ban.owner, ban.requester) == ("reset", "host1", GUEST1)
    assert ban.end == pytest.approx(WALL + table.now + 60, abs=2)
    table.look()
    assert table.own is not None
    assert table.own.of("b1").stage is Stage.BARRED
    table.other_says(Stage.BARRED)
    table.look()
    assert table.own.of("b1") == (Stage.DEAD, BOTH, False, False, frozenset())
    assert table.answers() == {}
    table.other_says(Stage.DEAD)
    assert table.answers() == {1: "OK"}
    assert table.all(actions.RemoveBan) == []
    ended(table)
    assert table.last(actions.RemoveBan).ban.id == "b1"


def test_done_is_said_before_the_answer(table: Table) -> None:
    table.banned()
    table.proven()
    answer = table.done.index(table.last(actions.Answer))
    said = table.done[answer - 1]
    assert isinstance(said, actions.Say)
    assert said.words.done == (Done("b1", True, GUEST1, "hash1", TARGET),)


def test_a_dead_that_has_not_seen_all_bars_is_no_proof(table: Table) -> None:
    table.banned()
    table.proven()
    other = Table()
    other.banned()
    other.look()
    other.other_says(Stage.BARRED)
    other.look()
    other.other_says(Stage.DEAD, saw=frozenset({"host2"}))
    assert other.answers() == {}


def test_what_lives_here_is_killed_with_a_debt(table: Table) -> None:
    ban = table.banned()
    table.look(LIFE)
    kill = table.last(actions.Kill)
    assert (kill.ban.value, kill.lives) == (ban.value, (LIFE,))
    assert kill.debt[:3] == ("b1", "uuid2", LIFE)
    assert table.own is not None
    assert table.own.of("b1").stage is Stage.SILENT
    table.tell(events.Killed(kill.ticket))
    table.wait()
    table.look()
    assert table.own.of("b1").stage is Stage.BARRED


def test_a_start_that_holds_the_lock_bars_nothing(table: Table) -> None:
    table.banned()
    table.look(is_locked=True)
    assert table.own is not None
    assert table.own.of("b1").stage is Stage.SILENT


def test_where_none_lives_but_the_history_runs_there_is_a_debt(table: Table) -> None:
    table.view = view(histories={("host1", TARGET): RUNS, ("host2", TARGET): ENDED})
    table.banned()
    table.look()
    assert table.last(actions.WriteDebt).debt[:3] == ("b1", "uuid2", None)


def test_a_domain_of_another_uuid_is_neither_killed_nor_proven(table: Table) -> None:
    table.banned()
    table.look(LIFE, differs=True)
    table.other_says(Stage.DEAD)
    assert table.all(actions.Kill) == []
    table.wait(16.0)
    assert table.answers() == {
        1: "NG banned; not proven on host1: the domain there has another uuid"
    }


def test_the_deadline_says_what_is_known_and_ends_the_ban(table: Table) -> None:
    table.banned()
    table.look()
    table.wait(15.0)
    assert table.answers() == {1: "NG banned; not proven on host2: it says silent"}
    ended(table)
    assert table.all(actions.RemoveBan)


WAITED_FOR: dict[str, dict[str, object]] = {
    "no quorum": {"quorum": False},
    "maintenance": {"maintenance": True},
    "host2 is neither": {"hosts": {"host1": Standing.OK, "host2": Standing.OTHER}},
    "host2 is not in this partition": {"partition": frozenset({"host1"})},
    "guest2 is unmanaged": {"resources": {GUEST1: Resource(), TARGET: Resource(managed=False)}},
    "host3 has left and may run": {
        "hosts": {**dict.fromkeys(BOTH, Standing.OK), "host3": Standing.DOWN},
        "lrm": frozenset({"host3"}),
    },
}


@pytest.mark.parametrize("reason", WAITED_FOR)
def test_what_waiting_can_cure_is_waited_for(table: Table, reason: str) -> None:
    table.view = view(**WAITED_FOR[reason])
    table.wait()
    table.tell(events.Arrived(request()))
    table.wait(5.0)
    assert table.answers() == {}
    assert table.all(actions.CreateBan) == []
    table.wait(10.0)
    assert table.answers()[1].startswith(f"NG {reason}")


def test_clocks_apart_write_nothing(table: Table) -> None:
    table.tell(events.WordsSeen({"host2": Words(WALL + table.now - 30)}, table.now))
    table.tell(events.WordsSeen({"host2": Words(WALL + table.now - 29)}, table.now))
    table.now += 0.1
    table.tell(events.Arrived(request()))
    table.tell(events.WordsSeen({"host2": Words(WALL + table.now - 29)}, table.now))
    assert table.all(actions.CreateBan) == []
    table.now += 15
    table.tell(events.Tick())
    assert table.answers()[1] in ("NG clocks: host2's is -29 s from here",)


def test_what_waiting_can_t_cure_is_refused_at_once(table: Table) -> None:
    table.tell(events.Arrived(request(1, target="nobody")))
    table.tell(events.Arrived(request(2, hash="h2", refusal="bad token")))
    own = Ban(GUEST1, "reset", "b9", TARGET, "h9", "host2", "uuid1", int(WALL + table.now) + 60)
    table.show(own)
    table.wait()
    table.tell(events.Arrived(request(3, hash="h3")))
    assert table.answers()[1].startswith("NG nobody is no VirtualDomain")
    assert table.answers()[2] == "NG bad token"
    assert table.answers()[3] == "NG you are being fenced"
    assert table.all(actions.CreateBan) == []


@pytest.mark.parametrize("outcome", [Outcome.NOT_MATCHED, Outcome.TIMED_OUT])
def test_after_a_write_that_may_have_come_one_looks_first(table: Table, outcome: Outcome) -> None:
    table.tell(events.Arrived(request()))
    table.wait()
    create = table.last(actions.CreateBan)
    table.show(create.ban)
    table.written(create, outcome)
    table.look()
    table.other_says(Stage.BARRED)
    table.look()
    table.other_says(Stage.DEAD)
    assert len(table.all(actions.CreateBan)) == 1
    assert table.answers() == {1: "OK"}


def test_a_write_that_did_not_come_is_tried_again_under_the_same_id(table: Table) -> None:
    table.tell(events.Arrived(request()))
    table.wait()
    table.written(table.last(actions.CreateBan), Outcome.TIMED_OUT)
    first, second = table.all(actions.CreateBan)
    assert first.ban.value == second.ban.value


def test_a_request_whose_sender_died_is_dropped(table: Table) -> None:
    table.tell(events.Arrived(request()))
    table.wait()
    assert table.last(actions.CreateBan).sender == SENDER
    table.written(table.last(actions.CreateBan), Outcome.SENDER_GONE)
    assert table.answers() == {1: "NG its sender is gone"}
    assert len(table.all(actions.CreateBan)) == 1


def test_a_host_lost_at_the_second_look_begins_anew(table: Table) -> None:
    table.banned()
    table.view = table.view._replace(partition=frozenset({"host1"}))
    ended(table)
    table.written(table.last(actions.RemoveBan))
    assert table.answers() == {}
    table.view = table.view._replace(partition=BOTH)
    table.wait()
    assert len(table.all(actions.CreateBan)) == 2


def test_the_lease_is_renewed_by_its_owner_and_by_nobody_else(table: Table) -> None:
    table.tell(events.Arrived(request(seconds=60.0)))
    table.wait()
    table.written(table.last(actions.CreateBan))
    table.wait(21.0)
    renewal = table.last(actions.RewriteBan)
    assert renewal.new.value == renewal.old.value
    assert renewal.new.end == pytest.approx(WALL + table.now + 60, abs=2)
    stranger = Table()
    other_ban(stranger)
    stranger.wait(21.0)
    stranger.wait(21.0)
    assert stranger.all(actions.RewriteBan) == []


@pytest.mark.parametrize(("left", "is_obeyed"), [(19, False), (21, True), (74, True), (90, False)])
def test_a_ban_is_obeyed_when_its_end_is_near_enough(
    table: Table, left: int, is_obeyed: bool
) -> None:
    end = int(WALL + table.now) + left + 1
    table.show(Ban(TARGET, "reset", "b2", "guest3", "h3", "host2", "uuid2", end))
    table.wait()
    assert bool(table.all(actions.Look)) == is_obeyed
    assert table.own is not None
    assert table.own.of("b2").clock != is_obeyed


def test_an_expired_ban_is_removed_by_anybody(table: Table) -> None:
    ban = other_ban(table)
    table.wait(70.0)
    table.wait(4.0)
    assert table.all(actions.RemoveExpired) == []
    table.wait(4.0)
    assert table.last(actions.RemoveExpired).ban == ban


def test_a_second_reset_joins_and_is_answered_by_the_same_words(table: Table) -> None:
    other_ban(table)
    table.tell(events.Arrived(request()))
    table.wait()
    table.look()
    table.other_says(Stage.BARRED, "b2")
    table.look()
    table.other_says(Stage.DEAD, "b2")
    assert table.answers() == {1: "OK"}
    assert not table.all(actions.CreateBan) + table.all(actions.RemoveBan)


def test_a_joiner_takes_the_word_of_a_ban_that_went(table: Table) -> None:
    other_ban(table)
    table.tell(events.Arrived(request()))
    table.wait()
    done = (Done("b2", True, "guest3", "hash3", TARGET),)
    table.other = table.other._replace(done=done)
    table.show(None)
    table.wait()
    assert table.answers() == {1: "OK"}


def test_a_ban_that_went_without_a_word_is_no_answer(table: Table) -> None:
    other_ban(table)
    table.tell(events.Arrived(request()))
    table.wait()
    table.show(None)
    table.wait()
    assert table.answers() == {}
    table.wait(1.0)
    assert table.answers() == {1: "NG banned; the ban was removed"}


def test_a_reset_under_an_off_joins_and_an_off_under_a_reset_rewrites(table: Table) -> None:
    other_ban(table, "off")
    table.tell(events.Arrived(request()))
    table.wait()
    assert table.all(actions.RewriteBan) == []
    over = Table()
    ban = other_ban(over)
    over.tell(events.Arrived(request(operation=Operation.OFF)))
    over.wait()
    rewrite = over.last(actions.RewriteBan)
    assert rewrite.old == ban
    assert rewrite.new.value == f"off:b2:{GUEST1}:hash1:host1:uuid2"


def test_a_resend_makes_its_host_the_owner(table: Table) -> None:
    ban = other_ban(table, requester=GUEST1, request="hash1")
    table.tell(events.Arrived(request()))
    table.wait()
    rewrite = table.last(actions.RewriteBan)
    assert (rewrite.old, rewrite.new.owner, rewrite.new.id) == (ban, "host1", "b2")


def test_anything_under_a_settle_takes_its_place(table: Table) -> None:
    ban = other_ban(table, "settle", requester="", request="")
    table.tell(events.Arrived(request()))
    table.wait()
    create = table.last(actions.CreateBan)
    assert (create.replaced, create.ban.id) == (ban, "b1")


def test_a_resend_is_answered_from_done_on_any_host(table: Table) -> None:
    table.other = table.other._replace(done=(Done("b0", True, GUEST1, "hash1", TARGET),))
    table.wait()
    table.tell(events.Arrived(request()))
    assert table.answers() == {1: "OK"}
    assert table.all(actions.CreateBan) == []


def test_nothing_is_written_before_the_others_words_are_read(table: Table) -> None:
    table.now += 1.0
    table.tell(events.Arrived(request()))
    table.tell(events.Tick())
    assert table.all(actions.CreateBan) == []
    table.wait(0.1)
    assert table.all(actions.CreateBan)


def test_a_settle_ban_on_the_requester_is_waited_for(table: Table) -> None:
    end = int(WALL + table.now) + 60
    table.show(Ban(GUEST1, "settle", "b9", "", "", "host2", "uuid1", end))
    table.wait()
    table.tell(events.Arrived(request()))
    table.wait()
    assert table.answers() == {}
    assert table.all(actions.CreateBan) == []
    table.show(None)
    table.wait(0.1)
    table.wait(0.1)
    assert table.all(actions.CreateBan)


def test_an_off_is_answered_when_the_role_is_written_and_its_ban_runs_out(table: Table) -> None:
    table.banned(Operation.OFF)
    table.proven()
    assert table.answers() == {}
    role = table.last(actions.SetRole)
    assert (role.resource, role.role) == (TARGET, "Stopped")
    resources = {GUEST1: Resource(), TARGET: Resource(target_role="Stopped")}
    table.view = table.view._replace(resources=resources)
    table.written(role)
    assert table.answers() == {1: "OK"}
    ended(table)
    table.wait(5.0)
    assert table.all(actions.RemoveBan) == []


def test_a_reset_that_joins_an_answered_off_does_not_end_it(table: Table) -> None:
    table.banned(Operation.OFF)
    table.proven()
    resources = {GUEST1: Resource(), TARGET: Resource(target_role="Stopped")}
    table.view = table.view._replace(resources=resources)
    table.written(table.last(actions.SetRole))
    ended(table)
    table.tell(events.Arrived(request(2, hash="hash2")))
    table.wait()
    table.wait(5.0)
    assert table.answers() == {1: "OK", 2: "OK"}
    assert table.all(actions.RemoveBan) == []


def test_a_sender_that_died_after_its_time_was_over_is_no_trouble(table: Table) -> None:
    table.tell(events.Arrived(request()))
    table.wait()
    table.wait(15.0)
    table.written(table.last(actions.CreateBan), Outcome.SENDER_GONE)
    assert list(table.answers()) == [1]


def test_on_takes_an_off_back(table: Table) -> None:
    ban = other_ban(table, "off")
    stopped = {GUEST1: Resource(), TARGET: Resource(target_role="Stopped")}
    table.view = table.view._replace(resources=stopped)
    table.other = table.other._replace(done=(Done("b2", True, "guest3", "hash3", TARGET),))
    table.wait()
    table.tell(events.Arrived(request(operation=Operation.ON)))
    table.wait()
    assert table.last(actions.RemoveBan).ban == ban
    table.show(None)
    table.wait(0.1)
    table.wait(1.1)
    assert table.last(actions.SetRole).role == "Started"
    running = {GUEST1: Resource(), TARGET: Resource(runs_on=("host2",))}
    table.view = table.view._replace(resources=running)
    table.wait()
    assert table.answers() == {1: "OK"}


def test_status_is_off_only_on_evidence_from_every_member(table: Table) -> None:
    table.tell(events.Arrived(request(1, Operation.STATUS)))
    ended(table)
    table.tell(events.Arrived(request(2, Operation.STATUS)))
    table.view = view(histories={("host1", TARGET): ENDED})
    table.wait()
    table.tell(events.Arrived(request(3, Operation.STATUS)))
    assert table.answers() == {1: "OK on", 2: "OK off", 3: "OK on"}


def test_list_tells_what_the_token_names(table: Table) -> None:
    table.tell(events.Arrived(request(1, Operation.LIST, allowed=("guest2", "guest3"))))
    assert table.answers() == {1: "OK guest2 guest3"}


def test_an_owner_that_restarted_ends_its_ban_after_a_while(table: Table) -> None:
    other_ban(table, owner="host1")
    ended(table)
    assert table.all(actions.RemoveBan) == []
    table.wait(3.0)
    assert table.all(actions.RemoveBan)


def test_sigterm_leaves_everything_as_it_is(table: Table) -> None:
    table.banned()
    (log,) = table.tell(events.Terminated())
    assert isinstance(log, actions.Log)
    assert table.tell(events.Tick()) == []


def debts(table: Table, debt: Debt, *lives: Life) -> None:
    table.wait(0.1)
    table.wait(1.0)
    ticket = table.last(actions.ReadDebts).ticket
    table.tell(events.DebtsSeen(ticket, {TARGET: (debt, lives)}))
    table.wait(0.1)


def test_an_unpaid_debt_is_settled_where_pacemaker_believes_the_guest(table: Table) -> None:
    table.view = view(histories={("host1", TARGET): RUNS, ("host2", TARGET): ENDED})
    debts(table, Debt("b0", "uuid2", LIFE, table.now))
    settle = table.last(actions.SettleBan)
    assert settle.ban.value == "settle:b1:::host1:uuid2"
    assert settle.call_id == RUNS.call_id
    table.written(settle)
    assert not table.all(actions.Kill) + table.all(actions.Look)
    ended(table)
    assert table.last(actions.RemoveBan).ban == settle.ban


@pytest.mark.parametrize("history", [ENDED, RUNS._replace(pending=True), None])
def test_no_settle_where_there_is_nothing_to_stop(table: Table, history: object) -> None:
    here = {} if history is None else {("host1", TARGET): history}
    table.view = view(histories={**here, ("host2", TARGET): ENDED})
    debts(table, Debt("b0", "uuid2", LIFE, table.now))
    assert table.all(actions.SettleBan) == []


def test_void_and_paid_debts_go_and_others_are_touched(table: Table) -> None:
    void = Debt("b0", "uuid2", LIFE, table.now)
    debts(table, void, Life(99, 9))
    assert table.last(actions.RemoveDebt).debt == void
    debts(table, void)
    assert len(table.all(actions.RemoveDebt)) == 2
    running = Table()
    running.view = view(histories={("host1", TARGET): RUNS, ("host2", TARGET): RUNS})
    old = Debt("b0", "uuid2", LIFE, running.now - 100)
    debts(running, old)
    assert running.last(actions.TouchDebt).debt == old


def test_a_debt_that_is_not_obeyed_in_five_minutes_is_dropped(table: Table) -> None:
    table.view = view(histories={("host1", TARGET): RUNS, ("host2", TARGET): RUNS})
    debts(table, Debt("b0", "uuid2", LIFE, table.now))
    table.wait(290.0)
    debts(table, Debt("b0", "uuid2", LIFE, table.now))
    assert table.all(actions.RemoveDebt) == []
    table.wait(15.0)
    debts(table, Debt("b0", "uuid2", LIFE, table.now))
    assert table.all(actions.RemoveDebt)
