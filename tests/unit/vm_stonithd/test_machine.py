# SPDX-License-Identifier: GPL-2.0-or-later
"""Single rules of the machine, each told by hand: one host's fence from request to end."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.replies import ng
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Doubt, Outcome
from daemons.vm_stonithd.model.facts import History, Operation, Standing, Transition
from daemons.vm_stonithd.model.host_report import BanReport, Done, HostReport, Objection, Stage
from daemons.vm_stonithd.model.invariants import BrokenPromiseError
from pmkvm.fencing.ban import Ban
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
    target,
)


def test_a_reset_is_proven_in_two_rounds_and_ended_after_the_record(table: Table) -> None:
    ban = table.banned()
    assert (ban.operation, ban.coordinator, ban.requester) == ("reset", "host1", GUEST1)
    assert ban.end == pytest.approx(WALL + table.now + 60, abs=2)
    table.look()
    assert table.said().stage is Stage.BARRED
    table.other_says(Stage.BARRED)
    table.look()
    assert table.said() == BanReport(Stage.DEAD, BOTH)
    assert table.answers() == {}
    table.other_says(Stage.DEAD)
    assert table.answers() == {1: "OK"}
    assert table.all(actions.RemoveBan) == []
    table.ended()
    assert table.last(actions.RemoveBan).ban.id == "b1"


@pytest.mark.parametrize("is_probed", [True, False])
def test_a_ban_outlives_a_refresh_until_the_probes(table: Table, is_probed: bool) -> None:
    """What the deleted entry said of a migration that is on its way would fail without the ban."""
    table.banned()
    table.proven()
    table.becomes(histories={("host1", TARGET): ENDED})
    assert table.all(actions.RemoveBan) == []
    if is_probed:
        table.ended()
    else:
        # No probe ever comes where resource-discovery is off.
        table.wait(30.0)
    assert table.all(actions.RemoveBan)


def test_done_is_said_before_the_answer(table: Table) -> None:
    table.banned()
    table.proven()
    answer = table.done.index(table.last(actions.Answer))
    said = table.done[answer - 1]
    assert isinstance(said, actions.Say)
    assert said.report.done == (Done("b1", True, GUEST1, "hash1", TARGET, "reset"),)


def test_a_dead_that_has_not_seen_all_bars_is_no_proof(table: Table) -> None:
    table.banned()
    table.look()
    table.other_says(Stage.BARRED)
    table.look()
    table.other_says(Stage.DEAD, saw=frozenset({"host2"}))
    assert table.answers() == {}
    table.other_says(Stage.DEAD)
    assert table.answers() == {1: "OK"}


def test_what_lives_here_is_killed_with_a_pending_stop(table: Table) -> None:
    ban = table.banned()
    table.look(LIFE)
    kill = table.last(actions.Kill)
    assert (kill.ban.value, kill.lives) == (ban.value, (LIFE,))
    assert kill.pending_stop[:3] == ("b1", "uuid2", LIFE)
    assert table.said().stage is Stage.SILENT
    table.tell(events.Killed(kill.ticket))
    table.wait()
    table.look()
    assert table.said().stage is Stage.BARRED


def test_helpers_of_a_qemu_that_does_not_die_are_killed_after_a_second(table: Table) -> None:
    ban = table.banned()
    for _ in range(2):
        table.look(LIFE)
        table.tell(events.Killed(table.last(actions.Kill).ticket))
        table.wait(0.1)
    assert table.all(actions.KillHelpers) == []
    table.wait(0.4)
    table.look(LIFE)
    helpers = table.all(actions.KillHelpers)
    assert [(each.ban.id, each.lives) for each in helpers] == [(ban.id, (LIFE,))]


def test_a_start_that_holds_the_lock_bars_nothing(table: Table) -> None:
    table.banned()
    table.look(is_locked=True)
    assert table.said().stage is Stage.SILENT


def test_where_none_lives_but_the_history_runs_there_is_a_pending_stop(table: Table) -> None:
    table.becomes(histories={("host1", TARGET): RUNS, ("host2", TARGET): ENDED})
    table.banned()
    table.look()
    assert table.last(actions.WritePendingStop).pending_stop[:3] == ("b1", "uuid2", None)


def test_a_domain_of_another_uuid_is_neither_killed_nor_proven(table: Table) -> None:
    table.banned()
    table.look(LIFE, doubt=Doubt(Objection.DIFFERS, "its definition here has another uuid"))
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
    table.ended()
    assert table.all(actions.RemoveBan)


WAITED_FOR: dict[str, dict[str, object]] = {
    "no quorum": {"quorum": False},
    "maintenance": {"maintenance": True},
    "host2 is neither": {"hosts": {"host1": Standing.OK, "host2": Standing.OTHER}},
    "host2 is not in this partition": {"partition": frozenset({"host1"})},
    "guest2 is unmanaged": {"resources": target(managed=False)},
    "host3 has left and may run": {
        "hosts": {**dict.fromkeys(BOTH, Standing.OK), "host3": Standing.DOWN},
        "lrm": frozenset({"host3"}),
    },
    "remote1 is a remote node and may run guest2": {"remote": {"remote1": True}},
    "remote2 is a remote node and may run guest2": {"resources": target(runs_on=("remote2",))},
}


@pytest.mark.parametrize("reason", WAITED_FOR)
def test_what_waiting_can_cure_is_waited_for(table: Table, reason: str) -> None:
    table.becomes(**WAITED_FOR[reason])
    table.ask()
    table.wait(5.0)
    assert table.answers() == {}
    assert table.all(actions.CreateBan) == []
    for _ in range(3):
        table.wait(1.0)
    told = [each.text for each in table.all(actions.Log) if "waits" in each.text]
    assert len(told) == 1
    assert told[0].startswith(f"hash1 guest1 reset guest2: waits: {reason}")
    table.wait(10.0)
    assert table.answers()[1].startswith(f"NG {reason}")


def test_a_target_that_comes_to_a_remote_node_under_its_ban_is_not_dead(table: Table) -> None:
    """As by a migration that was under way when the ban came. All members say dead."""
    table.banned()
    arrived = {("remote1", TARGET): RUNS}
    table.becomes(remote={"remote1": True}, histories={**table.view.histories, **arrived})
    table.proven()
    assert table.answers() == {}


def leaves_for_a_remote_node(table: Table, source: History, *, remote: History) -> None:
    """While the target is under its ban."""
    table.becomes(
        remote={"remote1": True},
        histories={**table.view.histories, ("remote1", TARGET): ENDED._replace(is_down=True)},
    )
    table.banned()
    new = {("host2", TARGET): source, ("remote1", TARGET): remote}
    table.becomes(histories={**table.view.histories, **new})


PROBED = ENDED._replace(is_down=True, known=(Transition("dc", 6),))
LEFT = RUNS._replace(left_for="remote1", left_in=Transition("dc", 20))


@pytest.mark.parametrize("source", [LEFT, LEFT._replace(ended=True, recorded=True)])
def test_a_target_that_left_for_a_remote_node_is_not_dead(table: Table, source: History) -> None:
    """Its source's QEMU has ended, and its arrival is not recorded: all members say dead. So it is
    too when Pacemaker has stopped it at its source alone."""
    leaves_for_a_remote_node(table, source, remote=PROBED)
    table.proven()
    assert table.answers() == {}
    table.wait(16.0)
    assert table.answers()[1].endswith("remote1 is a remote node and may run guest2")


def test_a_target_that_has_ended_on_the_remote_node_since_is_dead(table: Table) -> None:
    stopped = PROBED._replace(known=(Transition("dc", 20),))
    leaves_for_a_remote_node(table, LEFT._replace(ended=True), remote=stopped)
    table.proven()
    assert table.answers() == {1: "OK"}


def test_a_target_that_was_managed_when_last_looked_at_is_looked_at_anew(table: Table) -> None:
    """crm_mon's word may be 5 s old when a request comes; the ban kills at once."""
    table.tell(events.Arrived(request()))
    table.tell(events.CibSeen(table.view, 0))
    table.tell(events.Tick())
    assert table.all(actions.CreateBan) == []
    table.becomes(**WAITED_FOR["guest2 is unmanaged"])
    assert table.all(actions.CreateBan) == []
    table.becomes(resources=target())
    assert len(table.all(actions.CreateBan)) == 1


def test_clocks_apart_write_nothing(table: Table) -> None:
    table.tell(events.ReportsSeen({"host2": HostReport(WALL + table.now - 30)}, table.now))
    table.tell(events.ReportsSeen({"host2": HostReport(WALL + table.now - 29)}, table.now))
    table.now += 0.1
    table.tell(events.Arrived(request()))
    read = table.last(actions.ReadCib).ticket
    table.tell(events.CibSeen(table.view, read))
    table.tell(events.ReportsSeen({"host2": HostReport(WALL + table.now - 29)}, table.now))
    assert table.all(actions.CreateBan) == []
    table.now += 15
    table.tell(events.Tick())
    assert table.answers() == {1: "NG clocks: host2's is -29 s from here"}


def test_what_waiting_can_t_cure_is_refused_at_once(table: Table) -> None:
    table.tell(events.Arrived(request(1, target="nobody")))
    table.tell(events.Arrived(request(2, hash="h2", refusal="a token is missing")))
    own = Ban(GUEST1, "reset", "b9", TARGET, "h9", "host2", "uuid1", int(WALL + table.now) + 60)
    table.show(own)
    table.wait()
    table.ask(3, hash="h3")
    assert table.answers()[1] == "NG the token is refused: see hash1 in the host's log"
    assert any("nobody is no VirtualDomain" in each.text for each in table.all(actions.Log))
    assert table.answers()[2] == "NG a token is missing"
    assert table.answers()[3] == "NG you are being fenced"
    assert table.all(actions.CreateBan) == []


@pytest.mark.parametrize("outcome", [Outcome.NOT_MATCHED, Outcome.TIMED_OUT])
def test_after_a_write_that_may_have_come_one_looks_first(table: Table, outcome: Outcome) -> None:
    table.ask()
    create = table.last(actions.CreateBan)
    table.show(create.ban)
    table.written(create, outcome)
    table.proven()
    assert len(table.all(actions.CreateBan)) == 1
    assert table.answers() == {1: "OK"}


def test_a_write_that_did_not_come_is_tried_again_under_the_same_id(table: Table) -> None:
    table.ask()
    table.written(table.last(actions.CreateBan), Outcome.TIMED_OUT)
    first, second = table.all(actions.CreateBan)
    assert first.ban.value == second.ban.value


def test_a_request_whose_sender_died_is_dropped(table: Table) -> None:
    table.ask()
    assert table.last(actions.CreateBan).sender == SENDER
    table.written(table.last(actions.CreateBan), Outcome.SENDER_GONE)
    assert table.answers() == {}
    assert table.last(actions.Forget).number == 1
    # No word about it either: a migrated guest asks again on another host, under the same id.
    assert table.last(actions.Say).report.done == ()
    assert len(table.all(actions.CreateBan)) == 1


def test_a_host_lost_at_the_second_look_begins_anew(table: Table) -> None:
    table.banned()
    table.view = table.view._replace(partition=frozenset({"host1"}))
    table.ended()
    table.written(table.last(actions.RemoveBan))
    assert table.answers() == {}
    table.becomes(partition=BOTH)
    assert len(table.all(actions.CreateBan)) == 2


def test_the_lease_is_renewed_by_its_owner_and_by_nobody_else(table: Table) -> None:
    table.banned(seconds=60.0)
    table.wait(21.0)
    renewal = table.last(actions.RewriteBan)
    assert renewal.new.value == renewal.old.value
    assert renewal.new.end == pytest.approx(WALL + table.now + 60, abs=2)
    stranger = Table()
    stranger.other_ban()
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
    assert (table.said("b2").objection is None) == is_obeyed


def test_two_expired_bans_are_removed_without_a_storm(table: Table) -> None:
    end = int(WALL + table.now) - 100
    bans = {
        name: Ban(name, "reset", f"b-{name}", "guest3", "h3", "host2", "uuid", end)
        for name in (GUEST1, TARGET)
    }
    table.view = table.view._replace(bans=bans)
    table.wait(0.1)
    for action in table.all(actions.RemoveExpired):
        table.tell(events.Written(action.ticket, Outcome.NOT_MATCHED))
        table.tell(events.Tick())
    assert len(table.all(actions.RemoveExpired)) == 2


def test_an_expired_ban_is_removed_by_anybody(table: Table) -> None:
    ban = table.other_ban()
    table.wait(70.0)
    table.wait(4.0)
    assert table.all(actions.RemoveExpired) == []
    table.wait(4.0)
    assert table.last(actions.RemoveExpired).ban == ban


def test_a_write_that_hangs_past_the_deadline_is_a_reason(table: Table) -> None:
    table.ask()
    assert table.all(actions.CreateBan)
    table.wait(16.0)
    assert table.answers() == {
        1: "NG the CIB manager has not said whether it has taken the ban",
    }


def test_an_off_that_has_joined_another_hosts_says_that_the_role_is_not_stopped(
    table: Table,
) -> None:
    ban = table.other_ban("off")
    table.ask(operation=Operation.OFF)
    table.proven(ban.id)
    table.show(ban._replace(end=ban.end + 60))
    table.wait(16.0)
    assert table.answers() == {1: "NG banned; dead, but target-role is not Stopped"}


@pytest.mark.parametrize("reason", ["", " "])
def test_an_ng_without_a_reason_cannot_be_built(reason: str) -> None:
    with pytest.raises(BrokenPromiseError, match="reason"):
        ng(reason)
