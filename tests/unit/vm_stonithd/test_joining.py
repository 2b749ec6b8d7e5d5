# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that meet a ban, and requests that fence nobody, told to the machine by hand."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import Operation
from daemons.vm_stonithd.model.host_report import Done, HostReport
from pmkvm.fencing.ban import Ban
from pmkvm.fencing.role import Written
from pmkvm.tokens.key_report import KeyReport
from tests.unit.vm_stonithd.table import ENDED, GUEST1, TARGET, WALL, Table, request, target

# As an off leaves its target.
OFF = target(target_role="Stopped", own=Written("Stopped", GUEST1))
# As a person leaves it who undoes that, with the mark of the off still there.
STARTED = target(own=Written("Started", GUEST1))
ANSWERED_OFF = (Done("b2", True, "guest3", "hash3", TARGET, "off"),)


def test_a_second_reset_joins_and_is_answered_by_the_same_words(table: Table) -> None:
    table.other_ban()
    table.ask()
    table.proven("b2")
    assert table.answers() == {1: "OK"}
    assert not table.all(actions.CreateBan) + table.all(actions.RemoveBan)


def test_a_joiner_takes_the_word_of_a_ban_that_went(table: Table) -> None:
    table.other_ban()
    table.ask()
    done = (Done("b2", True, "guest3", "hash3", TARGET, "reset"),)
    table.other = table.other._replace(done=done)
    table.show(None)
    table.wait()
    assert table.answers() == {1: "OK"}


def test_a_ban_that_went_without_a_word_is_no_answer(table: Table) -> None:
    table.other_ban()
    table.ask()
    table.show(None)
    table.wait()
    assert table.answers() == {}
    table.wait(1.0)
    assert table.answers() == {1: "NG banned; the ban was removed"}


def test_a_reset_under_an_off_joins_and_an_off_under_a_reset_rewrites(table: Table) -> None:
    table.other_ban("off")
    table.ask()
    assert table.all(actions.RewriteBan) == []
    over = Table()
    ban = over.other_ban()
    over.ask(operation=Operation.OFF)
    over.wait()
    rewrite = over.last(actions.RewriteBan)
    assert rewrite.old == ban
    assert rewrite.new.value == f"off:b2:{GUEST1}:hash1:host1:uuid2"


def test_a_resend_makes_its_host_the_coordinator(table: Table) -> None:
    ban = table.other_ban(requester=GUEST1, request="hash1")
    table.ask()
    rewrite = table.last(actions.RewriteBan)
    assert (rewrite.old, rewrite.new.coordinator, rewrite.new.id) == (ban, "host1", "b2")


def test_anything_under_a_settle_takes_its_place(table: Table) -> None:
    ban = table.other_ban("settle", requester="", request="")
    table.ask()
    create = table.last(actions.CreateBan)
    assert (create.replaced, create.ban.id) == (ban, "b1")


def test_a_resend_is_answered_from_done_on_any_host(table: Table) -> None:
    table.other = table.other._replace(done=(Done("b0", True, GUEST1, "hash1", TARGET, "reset"),))
    table.wait()
    table.tell(events.Arrived(request()))
    assert table.answers() == {1: "OK"}
    assert table.all(actions.CreateBan) == []


def test_nothing_is_written_before_the_others_reports_are_read(table: Table) -> None:
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
    table.ask()
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
    role = table.last(actions.SwitchOff)
    assert (role.resource, role.by) == (TARGET, GUEST1)
    table.view = table.view._replace(resources=OFF)
    table.written(role)
    assert table.answers() == {1: "OK"}
    table.ended()
    table.wait(5.0)
    assert table.all(actions.RemoveBan) == []


def test_a_reset_that_joins_an_answered_off_does_not_end_it(table: Table) -> None:
    table.banned(Operation.OFF)
    table.proven()
    table.view = table.view._replace(resources=OFF)
    table.written(table.last(actions.SwitchOff))
    table.ended()
    table.ask(2, hash="hash2")
    table.wait(5.0)
    assert table.answers() == {1: "OK", 2: "OK"}
    assert table.all(actions.RemoveBan) == []


def test_an_off_whose_ban_went_before_the_role_was_written_is_not_proven(table: Table) -> None:
    """A start that nothing forbade may have begun in between; a reset was answered before."""
    table.banned(Operation.OFF)
    table.tell(events.Arrived(request(2, hash="hash2")))
    table.proven()
    assert table.answers() == {2: "OK"}
    table.show(None)
    table.wait()
    table.view = table.view._replace(resources=OFF)
    table.written(table.last(actions.SwitchOff))
    table.wait(1.0)
    assert table.answers() == {2: "OK", 1: "NG banned; the ban was removed"}


def test_a_sender_that_died_after_its_time_was_over_is_no_trouble(table: Table) -> None:
    table.ask()
    table.wait(15.0)
    table.written(table.last(actions.CreateBan), Outcome.SENDER_GONE)
    assert list(table.answers()) == [1]


def test_on_takes_an_off_back(table: Table) -> None:
    ban = table.other_ban("off")
    table.view = table.view._replace(resources=OFF)
    table.other = table.other._replace(done=ANSWERED_OFF)
    table.wait()
    table.ask(operation=Operation.ON)
    assert table.last(actions.SwitchOn).resource == TARGET
    assert table.all(actions.RemoveBan) == []
    table.view = table.view._replace(resources=STARTED)
    table.written(table.last(actions.SwitchOn))
    table.wait(1.1)
    assert table.last(actions.RemoveBan).ban == ban
    table.view = table.view._replace(resources=target(runs_on=("host2",)))
    table.written(table.last(actions.RemoveBan))
    table.wait()
    assert table.answers() == {1: "OK"}


def test_on_ends_the_ban_of_an_off_whose_role_a_person_has_undone(table: Table) -> None:
    """As `vm-ctl resource start` does, which leaves the ban where it is."""
    ban = table.other_ban("off")
    table.view = table.view._replace(resources=STARTED)
    table.other = table.other._replace(done=ANSWERED_OFF)
    table.wait()
    table.ask(operation=Operation.ON)
    assert table.last(actions.RemoveBan).ban == ban


def test_on_leaves_the_ban_of_an_off_under_which_a_reset_was_answered(table: Table) -> None:
    """The off has rewritten the reset's ban, and its role is on the way."""
    table.other_ban("off")
    done = (Done("b2", True, "guest3", "the reset's", TARGET, "reset"),)
    table.other = table.other._replace(done=done)
    table.tell(events.Arrived(request(operation=Operation.ON)))
    table.wait(1.0)
    table.wait(1.0)
    assert table.all(actions.RemoveBan) == []


def test_on_leaves_the_ban_of_an_off_that_is_not_answered(table: Table) -> None:
    """Nor does it believe a reading of before the answer: that can't show the role Stopped."""
    table.other_ban("off")
    table.tell(events.Arrived(request(operation=Operation.ON)))
    table.wait(1.0)
    table.tell(events.CibSeen(table.view, began=table.now))
    table.now += 1.0
    table.other = table.other._replace(done=ANSWERED_OFF)
    table.tell(events.ReportsSeen({"host2": table.other}, table.now))
    table.tell(events.Tick())
    assert table.all(actions.RemoveBan) == []
    table.tell(events.CibSeen(table.view, began=table.now))
    assert table.all(actions.RemoveBan)


@pytest.mark.parametrize(
    ("own", "waits_s", "reason"),
    [
        # By an administrator.
        (Written("Stopped"), 0.3, "target-role is Stopped, and no off has written that"),
        # By more than its own role, as by its group's, or by a set with a higher score.
        (Written("Started", GUEST1), 15.0, "its target-role is Stopped"),
    ],
)
def test_on_starts_nothing_that_another_has_stopped(
    table: Table, own: Written, waits_s: float, reason: str
) -> None:
    table.becomes(resources=target(target_role="Stopped", own=own))
    table.tell(events.Arrived(request(operation=Operation.ON)))
    table.wait(waits_s)
    assert table.answers() == {1: f"NG {reason}"}
    assert table.all(actions.SwitchOn) == []


def test_on_waits_for_the_role_that_counts_of_an_off_that_is_a_moment_old(table: Table) -> None:
    """crm_mon's word may be of before the off, beside a CIB of after it."""
    off = Written("Stopped", GUEST1)
    table.becomes(resources=target(own=off, target_role="Started"))
    table.ask(1, Operation.ON)
    assert table.answers() == {}
    table.becomes(resources=target(own=off, target_role="Stopped"))
    assert table.all(actions.SwitchOn)


def test_the_mark_of_an_off_that_a_person_has_undone_is_taken_away(table: Table) -> None:
    table.becomes(resources=STARTED)
    assert [one.resource for one in table.all(actions.ForgetMark)] == [TARGET]


def test_many_that_ask_for_on_cause_one_write_at_a_time(table: Table) -> None:
    table.becomes(resources=OFF)
    for number in range(32):
        table.tell(events.Arrived(request(number, Operation.ON, hash=f"hash{number}")))
    for _ in range(10):
        table.wait(1.0)
    (write,) = table.all(actions.SwitchOn)
    table.tell(events.Written(write.ticket, Outcome.TIMED_OUT))
    table.wait(1.0)
    assert len(table.all(actions.SwitchOn)) == 2


def test_status_is_off_only_on_evidence_from_every_member(table: Table) -> None:
    table.tell(events.Arrived(request(1, Operation.STATUS)))
    table.ended()
    table.tell(events.Arrived(request(2, Operation.STATUS)))
    table.becomes(histories={("host1", TARGET): ENDED})
    table.tell(events.Arrived(request(3, Operation.STATUS)))
    assert table.answers() == {1: "OK on", 2: "OK off", 3: "OK on"}


def test_list_tells_what_the_token_names(table: Table) -> None:
    table.tell(events.Arrived(request(1, Operation.LIST, allowed=("guest2", "guest3"))))
    assert table.answers() == {1: "OK guest2 guest3"}


def test_an_owner_that_restarted_ends_its_ban_after_a_while(table: Table) -> None:
    table.other_ban(coordinator="host1")
    table.ended()
    assert table.all(actions.RemoveBan) == []
    table.wait(3.0)
    assert table.all(actions.RemoveBan)


def test_sigterm_leaves_everything_as_it_is(table: Table) -> None:
    table.banned()
    (log,) = table.tell(events.Terminated())
    assert isinstance(log, actions.Log)
    assert table.tell(events.Tick()) == []


@pytest.mark.parametrize("operation", [Operation.STATUS, Operation.ON, Operation.RESET])
def test_what_is_not_there_is_refused_in_the_same_words(table: Table, operation: Operation) -> None:
    table.tell(events.Arrived(request(operation=operation, target="nobody")))
    table.wait(0.1)
    assert table.answers() == {1: "NG the token is refused: see hash1 in the host's log"}


def test_a_list_says_what_is_allowed_and_who_has_the_key(table: Table) -> None:
    key = KeyReport("3f9a01c2", 1_795_000_000, 0)
    table.other = table.other._replace(keys=(key,))
    table.tell(events.KeysSeen((KeyReport("00000000", 1_795_000_000, 0),)))
    table.wait()
    allowed = (TARGET, "off,on,reset")
    wanted = request(operation=Operation.LIST, allowed=allowed, key_id=key.id)
    table.tell(events.Arrived(wanted))
    assert table.answers() == {1: f"OK {TARGET} off,on,reset key=3f9a01c2 hosts=host2"}


def test_keys_are_said_and_remembered_over_a_restart(table: Table) -> None:
    table.tell(events.KeysSeen((KeyReport("3f9a01c2", 1_795_000_300, 0),)))
    assert table.report.keys == (KeyReport("3f9a01c2", 1_795_000_300, 0),)
    again = Table()
    again.machine = Machine("host1", lambda: "b1", again.now)
    before = (KeyReport("3f9a01c2", 1_795_000_000, 1_795_000_200),)
    again.own = HostReport(WALL, keys=before)
    again.wait()
    again.tell(events.KeysSeen((KeyReport("3f9a01c2", 1_795_000_900, 0),)))
    assert again.report.keys == before


@pytest.mark.parametrize("operation", [Operation.RESET, Operation.STATUS])
def test_an_old_view_decides_nothing(table: Table, operation: Operation) -> None:
    table.now += 1.0
    table.tell(events.CibSeen(table.view, began=table.now - 0.5))
    table.tell(events.Arrived(request(operation=operation)))
    table.other = table.other._replace(up=WALL + table.now)
    table.tell(events.ReportsSeen(table.reports(), 999.0))
    assert (table.answers(), table.all(actions.CreateBan)) == ({}, [])
    read = max((each.ticket for each in table.all(actions.ReadCib)), default=0)
    table.tell(events.CibSeen(table.view, read, began=table.now))
    assert table.answers() or table.all(actions.CreateBan)
