# SPDX-License-Identifier: GPL-2.0-or-later
"""A member that says nothing, told by hand: what of Pacemaker's record is evidence, what is not.
And a host that finds nothing of a target which Pacemaker may have running there.
"""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.silent_hosts import Verdict, verdict
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.facts import History
from daemons.vm_stonithd.model.host_report import BanReport, Objection, Stage
from tests.unit.vm_stonithd.table import BOTH, ENDED, LIFE, RUNS, TARGET, Table

OLD_STOP = History(ended=True, recorded=True, call_id=5, last="key1 5 0 0")
NEW_STOP = History(ended=True, recorded=True, call_id=9, last="key2 9 0 0")
PROBE = History(ended=True, recorded=True, call_id=10, last="key3 10 7 0")
STARTED = History(ended=False, recorded=False, call_id=10, last="key4 10 0 0")
UNDER_WAY = History(ended=False, recorded=False, pending=True, call_id=9, last="key2 -1 193 -1")


@pytest.mark.parametrize(
    ("before", "now", "is_asked", "is_"),
    [
        # (b) it is another than with the ban, and has ended
        (RUNS, NEW_STOP, False, Verdict.DEAD),
        (OLD_STOP, NEW_STOP, False, Verdict.DEAD),
        # (c) the same and ended, or missing, then or now
        (OLD_STOP, OLD_STOP, False, Verdict.ASK),
        (OLD_STOP, None, False, Verdict.ASK),
        (RUNS, None, False, Verdict.ASK),
        (None, None, False, Verdict.ASK),
        (None, NEW_STOP, False, Verdict.ASK),
        # (d) it runs, or something is under way
        (RUNS, RUNS, False, Verdict.WAIT),
        (RUNS, UNDER_WAY, False, Verdict.WAIT),
        (OLD_STOP, STARTED, False, Verdict.WAIT),
        # asked: only what came then counts, and absence never does
        (OLD_STOP, None, True, Verdict.WAIT),
        (OLD_STOP, PROBE, True, Verdict.DEAD),
        (OLD_STOP, STARTED, True, Verdict.WAIT),
    ],
)
def test_what_the_record_tells(
    before: History | None, now: History | None, is_asked: bool, is_: Verdict
) -> None:
    assert verdict(before, now, is_asked=is_asked) is is_


class Silent(Table):
    """host2 says nothing: no attribute at all, or only that it is up."""

    def shows(self, entry: History | None) -> None:
        """What Pacemaker's record of host2 is from now on."""
        histories = dict(self.view.histories)
        histories.pop(("host2", TARGET), None)
        if entry is not None:
            histories["host2", TARGET] = entry
        self.view = self.view._replace(histories=histories)
        self.wait(0.1)

    def third_host(self, entry: History | None = None) -> None:
        hosts = {**self.view.hosts, "host3": self.view.hosts["host1"]}
        histories = {**self.view.histories, **({("host3", TARGET): entry} if entry else {})}
        self.becomes(hosts=hosts, partition=frozenset(hosts), histories=histories)

    def deletions(self) -> list[actions.ForgetHistory]:
        return self.all(actions.ForgetHistory)

    def bar(self) -> None:
        """What host1 itself has to say."""
        self.look()
        self.wait(0.1)
        self.look()


@pytest.fixture
def silent() -> Silent:
    return Silent(is_other_up=False)


def test_a_stop_that_was_recorded_under_the_ban_is_death(silent: Silent) -> None:
    silent.banned()
    silent.bar()
    assert silent.answers() == {}
    silent.shows(NEW_STOP)
    assert silent.said().judged == {"host2"}
    silent.look()
    assert silent.said().stage is Stage.DEAD
    assert silent.answers() == {1: "OK"}
    assert silent.deletions() == []


def test_an_old_stop_is_deleted_after_the_bars_and_the_new_probe_judged(silent: Silent) -> None:
    silent.shows(OLD_STOP)
    silent.banned()
    silent.wait(5.0)
    assert silent.deletions() == [], "host1 has not barred yet"
    silent.look()
    deletion = silent.deletions()[0]
    assert (deletion.host, deletion.resource) == ("host2", TARGET)
    silent.shows(None)
    silent.written(deletion)
    silent.bar()
    silent.wait(1.0)
    assert silent.answers() == {}, "a missing entry is no evidence"
    silent.shows(PROBE)
    silent.bar()
    assert silent.answers() == {1: "OK"}
    assert len(silent.deletions()) == 1


def test_a_deletion_that_did_not_come_is_made_again(silent: Silent) -> None:
    silent.shows(OLD_STOP)
    silent.banned()
    silent.look()
    silent.written(silent.deletions()[0], Outcome.TIMED_OUT)
    assert len(silent.deletions()) == 2
    silent.written(silent.deletions()[1])
    assert len(silent.deletions()) == 3, "it is still there"
    assert silent.answers() == {}


def test_a_probe_that_finds_it_is_waited_out(silent: Silent) -> None:
    silent.shows(OLD_STOP)
    silent.banned()
    silent.look()
    silent.shows(None)
    silent.written(silent.deletions()[0])
    silent.shows(STARTED)
    silent.bar()
    assert silent.answers() == {}
    silent.shows(NEW_STOP)
    silent.look()
    assert silent.answers() == {1: "OK"}


def test_one_that_is_up_gets_two_seconds() -> None:
    silent = Silent(is_other_up=True)
    silent.banned()
    silent.bar()
    silent.shows(NEW_STOP)
    silent.wait(1.0)
    assert silent.said().judged == frozenset()
    silent.wait(1.0)
    assert silent.said().judged == {"host2"}


@pytest.mark.parametrize("ban_report", [BanReport(objection=each) for each in Objection])
def test_one_that_says_why_not_is_not_judged(ban_report: BanReport) -> None:
    silent = Silent(is_other_up=True)
    silent.banned()
    silent.bar()
    silent.other = silent.other._replace(bans={"b1": ban_report})
    silent.shows(NEW_STOP)
    silent.wait(3.0)
    assert silent.said().judged == frozenset()
    assert silent.answers() == {}


def test_one_that_died_after_its_bar_is_judged() -> None:
    silent = Silent(is_other_up=True)
    silent.banned()
    silent.look()
    silent.other_says(Stage.BARRED)
    silent.look()
    silent.shows(NEW_STOP)
    silent.wait(2.0)
    silent.look()
    assert silent.answers() == {1: "OK"}


def test_two_silent_hosts_do_not_wait_for_each_other(silent: Silent) -> None:
    silent.third_host(OLD_STOP)
    silent.shows(OLD_STOP)
    silent.banned()
    silent.look()
    assert [each.host for each in silent.deletions()] == ["host2", "host3"]


def test_a_silent_host_that_may_run_it_holds_the_other_questions_back(silent: Silent) -> None:
    silent.third_host(OLD_STOP)
    silent.shows(RUNS._replace(last="key0 1 0 0"))
    silent.banned()
    silent.look()
    silent.wait(3.0)
    assert silent.deletions() == [], "it may be migrating from host2 to host3"
    silent.shows(NEW_STOP)
    assert [each.host for each in silent.deletions()] == ["host3"]


def test_a_host_that_came_back_is_judged_anew(silent: Silent) -> None:
    silent.shows(RUNS)
    silent.banned()
    silent.bar()
    alone = {"host1": silent.view.hosts["host1"]}
    both = silent.view.hosts
    silent.becomes(hosts=alone, partition=frozenset(alone))
    silent.view = silent.view._replace(hosts=both, partition=BOTH)
    silent.shows(PROBE)
    assert silent.said().judged == frozenset()


def test_everybody_takes_the_owners_word_for_a_silent_host() -> None:
    table = Silent(is_other_up=True)
    table.third_host()
    table.other_ban()
    table.ask()
    table.look()
    three = frozenset(table.view.hosts)
    table.other_says(Stage.BARRED, "b2", judged=frozenset({"host3"}))
    table.look()
    assert table.said("b2").saw == three
    table.other_says(Stage.DEAD, "b2", saw=three, judged=frozenset({"host3"}))
    assert table.answers() == {1: "OK"}
    assert not table.all(actions.ForgetHistory), "only the coordinator judges"


def test_judgements_go_with_their_ban(silent: Silent) -> None:
    silent.banned()
    silent.bar()
    silent.shows(NEW_STOP)
    assert silent.said().judged == {"host2"}
    silent.look()
    silent.written(silent.last(actions.RemoveBan))
    silent.wait(6.0)
    assert silent.report.bans == {}


# --- nothing is found

RUNS_HERE = {("host1", TARGET): RUNS, ("host2", TARGET): ENDED}


def found_nothing(table: Table, histories: object = RUNS_HERE) -> None:
    """This host has looked for what Pacemaker has these histories of."""
    table.becomes(histories=histories)
    table.banned()
    table.look(known=False)


def test_where_pacemaker_has_it_running_that_nothing_is_found_is_no_proof(table: Table) -> None:
    """Neither a QEMU of the ban's uuid nor a record with it: the guest may have another one."""
    found_nothing(table)
    table.other_says(Stage.DEAD)
    assert table.said() == BanReport(objection=Objection.MISSING)
    table.wait(16.0)
    reason = "nothing of it is found there, and Pacemaker does not say stopped"
    assert table.answers() == {1: f"NG banned; not proven on host1: {reason}"}


def test_what_is_not_found_is_dead_once_pacemaker_has_recorded_its_end(table: Table) -> None:
    found_nothing(table)
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
    found_nothing(table, {("host2", TARGET): RUNS})
    assert table.said() == BanReport(objection=Objection.MISSING)
    # With resource-discovery=never none comes.
    table.wait(5.0)
    table.look(known=False)
    assert table.said().stage is Stage.BARRED
