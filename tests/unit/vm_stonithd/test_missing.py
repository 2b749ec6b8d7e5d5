# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that finds nothing of a target which Pacemaker may have running there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.facts import History
from daemons.vm_stonithd.model.host_report import BanReport, Objection, Stage
from tests.unit.vm_stonithd.table import ENDED, LIFE, RUNS, TARGET

if TYPE_CHECKING:
    from tests.unit.vm_stonithd.table import Table

RUNS_HERE = {("host1", TARGET): RUNS, ("host2", TARGET): ENDED}


def test_where_pacemaker_has_it_running_that_nothing_is_found_is_no_proof(table: Table) -> None:
    """Neither a QEMU of the ban's uuid nor a record with it: the guest may have another one."""
    table.becomes(histories=RUNS_HERE)
    table.banned()
    table.look(known=False)
    table.other_says(Stage.DEAD)
    assert table.said() == BanReport(objection=Objection.MISSING)
    table.wait(16.0)
    reason = "nothing of it is found there, and Pacemaker does not say stopped"
    assert table.answers() == {1: f"NG banned; not proven on host1: {reason}"}


def test_what_is_not_found_is_dead_once_pacemaker_has_recorded_its_end(table: Table) -> None:
    table.becomes(histories=RUNS_HERE)
    table.banned()
    table.look(known=False)
    table.ended()
    table.wait(1.0)
    table.look(known=False)
    assert table.said().stage is Stage.BARRED


def test_what_this_host_has_killed_is_accounted_for(table: Table) -> None:
    table.becomes(histories=RUNS_HERE)
    table.banned()
    table.look(LIFE, known=False)
    table.tell(events.Killed(table.last(actions.Kill).ticket))
    table.wait()
    table.look(known=False)
    assert table.said().stage is Stage.BARRED


def test_what_arrives_under_the_ban_is_the_sources_to_account_for(table: Table) -> None:
    arriving = History(ended=False, recorded=False, pending=True, call_id=9)
    table.becomes(histories={("host1", TARGET): arriving, ("host2", TARGET): RUNS})
    table.banned()
    table.becomes(histories=RUNS_HERE)
    table.look(known=False)
    assert table.said().stage is Stage.BARRED


def test_where_pacemaker_says_nothing_a_probe_is_waited_for(table: Table) -> None:
    table.becomes(histories={("host2", TARGET): RUNS})
    table.banned()
    table.look(known=False)
    assert table.said() == BanReport(objection=Objection.MISSING)
    # With resource-discovery=never none comes.
    table.wait(5.0)
    table.look(known=False)
    assert table.said().stage is Stage.BARRED
