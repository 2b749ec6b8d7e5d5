# SPDX-License-Identifier: GPL-2.0-or-later
"""Owners that come and go: who ends a ban, who answers, and who keeps his hands off."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import Operation
from daemons.vm_stonithd.model.host_report import BanReport, Done, HostReport, Stage
from tests.unit.vm_stonithd.table import BOTH, GUEST1, TARGET, WALL, Table, request


def test_an_owner_whose_ban_was_taken_over_answers_and_touches_nothing(table: Table) -> None:
    ban = table.banned()
    table.show(ban._replace(coordinator="host2"))
    table.wait()
    table.proven()
    assert table.answers() == {1: "OK"}
    table.ended()
    table.wait(21.0)
    table.wait(21.0)
    assert not table.all(actions.RemoveBan) + table.all(actions.RewriteBan)


def test_one_that_wakes_up_late_has_lost_what_its_write_no_longer_matches(table: Table) -> None:
    ban = table.banned()
    # Stopped for longer than the lease: its ban went, another's stands there now.
    table.now += 80.0
    assert table.other_ban().id != ban.id
    assert list(table.answers()) == [1]
    assert table.answers()[1].startswith("NG")
    table.wait()
    assert not table.all(actions.RemoveBan) + table.all(actions.RewriteBan)
    assert len(table.all(actions.CreateBan)) == 1


@pytest.mark.parametrize("late", [41.0, 61.0, 80.0])
def test_a_lease_that_has_nearly_run_out_is_not_renewed(table: Table, late: float) -> None:
    """Pacemaker may have started the target again, and the words are of the time before that."""
    table.banned(seconds=200.0)
    table.look()
    table.other_says(Stage.BARRED)
    table.look()
    # Stopped, while the other host comes to the end of it.
    ban_report = BanReport(Stage.DEAD, BOTH)
    table.now += late
    table.other = table.other._replace(up=WALL + table.now, bans={"b1": ban_report})
    table.wait(0.0)
    table.wait(1.0)
    assert table.all(actions.RewriteBan) == []
    assert table.answers() == {}
    table.ended()
    assert table.last(actions.RemoveBan).ban.id == "b1"
    table.written(table.last(actions.RemoveBan))
    assert len(table.all(actions.CreateBan)) == 2, "it begins anew"


def test_a_restarted_owner_takes_its_own_ban_up_when_the_guest_sends_again(table: Table) -> None:
    table.machine = Machine("host1", lambda: "b9", table.now)
    table.other_ban(coordinator="host1", requester=GUEST1, request="hash1")
    table.ask()
    assert table.all(actions.CreateBan) == []
    table.look()
    table.ended()
    table.wait(4.0)
    assert table.all(actions.RemoveBan) == [], "it is not proven yet, and is waited for"
    for stage in (Stage.BARRED, Stage.DEAD):
        table.look()
        table.other_says(stage, "b2")
    table.look()
    assert table.answers() == {1: "OK"}


def test_the_host_of_a_resend_ends_what_it_took_over(table: Table) -> None:
    ban = table.other_ban(requester=GUEST1, request="hash1")
    table.ask()
    table.written(table.last(actions.RewriteBan))
    for _ in range(2):
        table.look()
        table.other = table.other._replace(bans={})
    table.wait(15.0)
    assert table.answers()[1].startswith("NG banned; not proven on host2")
    table.ended()
    removal = table.last(actions.RemoveBan).ban
    assert (removal.id, removal.coordinator) == (ban.id, "host1")


def test_a_takeover_that_did_not_match_leaves_the_owner_alone(table: Table) -> None:
    table.other_ban(requester=GUEST1, request="hash1")
    table.ask()
    table.written(table.last(actions.RewriteBan), Outcome.NOT_MATCHED)
    table.wait(15.0)
    table.ended()
    assert table.all(actions.RemoveBan) == []


def test_a_ban_of_a_host_that_is_gone_is_left_to_run_out(table: Table) -> None:
    table.other_ban(coordinator="host3")
    table.ended()
    for _ in range(12):
        table.wait(5.0)
    assert not table.all(actions.RemoveBan) + table.all(actions.RewriteBan)
    table.wait(20.0)
    assert table.all(actions.RemoveExpired)


def test_an_answer_is_remembered_for_ten_minutes(table: Table) -> None:
    table.other = HostReport(WALL)
    table.banned()
    table.proven()
    table.ended()
    table.written(table.last(actions.RemoveBan))
    table.wait(590.0)
    table.tell(events.Arrived(request(2)))
    assert table.answers() == {1: "OK", 2: "OK"}
    assert len(table.all(actions.CreateBan)) == 1
    assert table.report.done == (Done("b1", True, GUEST1, "hash1", TARGET, "reset"),)
    table.wait(15.0)
    assert table.report.done == ()


def test_an_ok_is_said_again_to_the_same_operation_alone(table: Table) -> None:
    """The target of a reset lives again: it does not stay down, as an off asks for."""
    table.banned()
    table.proven()
    table.ended()
    table.written(table.last(actions.RemoveBan))
    table.tell(events.Arrived(request(2, Operation.OFF)))
    table.tell(events.Arrived(request(3)))
    assert table.answers() == {1: "OK", 2: "NG as answered before", 3: "OK"}
