# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of scarcity is whole; its judge is seen to complain; a gate's notes are understood."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.errors import LabError
from tests.lab.faults import gate, scarcity, scarcity_judge
from tests.lab.faults.faults import COORDINATOR, OFF, RESET
from tests.lab.faults.gate import Call
from tests.lab.faults.scarcity import ACTIONS, FENCES, PATHS, Action, Lack
from tests.lab.faults.scarcity_acts import Act, Spell
from tests.lab.faults.scarcity_judge import Facts, HeldAction
from tests.lab.guests.lives import Life

GUEST, OTHER, CLONE = "prmVMCTL_guest3", "prmVMCTL_guest1", "prmVmStonithd"
# At 100 begins what ends at 115; the guest lives on host2 all the time.
MONITOR = Call("host2", GUEST, "monitor", is_recurring=True, limits="", began_s=100.5)
GOOD = Facts(
    scarcity.PATHS[0],
    ended_s=115.0,
    subject=GUEST,
    calls=[MONITOR._replace(ended_s=100.7, rc=0)],
    steady=frozenset({(OTHER, "host1"), (CLONE, "host2")}),
    lives=[Life("host2", 50.0, 130.0)],
    took={"vm-stonithd of host2": 0.5},
    answer="Success: Rebooted",
    is_ok=True,
)
HELD = HeldAction(Action(scarcity.VIRTUAL_DOMAIN, scarcity.MONITOR), GOOD.calls[0], is_anew=False)
# Was seen until 130, and missed for the first time at 131.
ENDED = Life("host2", 50.0, 130.0, began_s=49.0, gone_s=131.0)
# The monitor ends at 101.2.
LATER = Life("host2", 101.5, 130.0, began_s=101.3)
STARVED = Lack(scarcity.AGENTS, scarcity.TOO_LITTLE, starts_nothing=True)


def call(action: str, rc: int | None, at_s: float, resource: str = GUEST) -> Call:
    where = "host1" if resource == OTHER else "host2"
    ended_s = None if rc is None else at_s + 0.2
    return Call(where, resource, action, True, "", at_s, ended_s, rc)


def held(
    operation: str, rc: int | None, at_s: float = 101.0, *, is_anew: bool = False
) -> HeldAction:
    return HeldAction(
        Action(scarcity.VIRTUAL_DOMAIN, operation), call(operation, rc, at_s), is_anew
    )


def test_all_well_breaks_nothing() -> None:
    assert scarcity_judge.broken(GOOD, HELD) == []


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("says stopped, and it lives", {"calls": [call("monitor", 7, 101)]}),
        ("says stopped, and it lives", {"calls": [call("stop", 0, 101)]}),
        ("says stopped, and it lives", {"calls": [call("monitor", 7, 101, CLONE)]}),
        ("is 1, and it lives", {"calls": [call("monitor", 1, 101)]}),
        ("is 1, and it lives", {"calls": [call("monitor", 1, 101, OTHER)]}),
        ("says running, and it is dead", {"calls": [call("monitor", 0, 140)], "lives": [ENDED]}),
        ("says running, and it is dead", {"calls": [call("monitor", 0, 101)], "lives": [LATER]}),
        ("beside", {"lives": [*GOOD.lives, Life("host1", 110.0, 111.0)]}),
        ("host2 was fenced", {"fenced": ["host2"]}),
        ("guest1 was started anew", {"anew": ["guest1"]}),
        ("more than one", {"doubled": ["vm-stonithd on host2"]}),
        ("vm-stonithd of host2: never", {"took": {"vm-stonithd of host2": None}}),
        ("12.0 s after the end", {"took": {"the clones": 12.0}}),
        ("a fence after the end: NG", {"is_ok": False, "answer": "NG deaf"}),
        ("OK, and it lives", {"outlived": True}),
        ("left: a ban", {"left": ["a ban"]}),
        ("no monitor of", {"late": [GUEST]}),
    ],
)
def test_a_complaint(said: str, changes: dict[str, Any]) -> None:
    assert [text for text in scarcity_judge.broken(GOOD._replace(**changes), HELD) if said in text]


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ("was killed, or still runs", held(scarcity.START, None)),
        ("ends 11.2 s after the end", held(scarcity.START, 0, 126.0)),
        ("VirtualDomain stop is 1", held(scarcity.STOP, 1)),
        ("was started anew", held(scarcity.PROBE, 0, is_anew=True)),
        ("was started anew", held(scarcity.MIGRATE_TO, 1, is_anew=True)),
    ],
)
def test_a_complaint_about_the_action(said: str, action: HeldAction) -> None:
    found = scarcity_judge.broken(GOOD, action)
    assert [text for text in found if said in text] == found
    assert found


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        # An honest failure; another host has it then.
        ({}, held(scarcity.START, 1, is_anew=True)),
        # The watch came late: to its begin, and to its end.
        ({"calls": [call("monitor", 0, 101)], "lives": [LATER._replace(began_s=101.1)]}, HELD),
        ({"calls": [call("monitor", 0, 130.9)], "lives": [ENDED]}, HELD),
        # Dead by then.
        ({"calls": [call("stop", 0, 130.1)]}, held(scarcity.STOP, 0)),
        # It lives, and something is wrong with it.
        ({"calls": [call("monitor", 190, 101)]}, HELD),
        # A daemon that has ended meanwhile.
        ({"calls": [call("monitor", 7, 101, CLONE)], "steady": frozenset()}, HELD),
        # Both ends of a migration.
        ({"lives": [*GOOD.lives, Life("host1", 110.0, 111.0)]}, held(scarcity.MIGRATE_TO, 0)),
        # A fenced target's monitor, whose stop is still owed.
        ({"calls": [call("monitor", 0, 140)]}, None),
        # Nothing of ours runs: Pacemaker does what it must.
        ({"lack": STARVED, "fenced": ["host2"], "is_ok": False}, held(scarcity.STOP, 127)),
    ],
)
def test_no_complaint(changes: dict[str, Any], action: HeldAction | None) -> None:
    assert scarcity_judge.broken(GOOD._replace(**changes), action) == []


def test_the_table_is_whole() -> None:
    names = [cell.name for cell in scarcity.cells()]
    assert len(names) == len(set(names))
    for lack in PATHS:
        for moment in ACTIONS:
            assert f"{moment.name}: {lack.name} on host2" in names
        for fence in FENCES:
            for host in (COORDINATOR, scarcity.HOME):
                assert f"{fence.name}: {lack.name} on {host}" in names
    assert {moment.operation for moment in FENCES} == {RESET, OFF}


def test_any_part_of_the_shuffled_table_is_broad() -> None:
    order = scarcity.shuffled(7)
    assert len(order) == len(scarcity.cells())
    assert set(order) == set(scarcity.cells())
    assert order == scarcity.shuffled(7)
    assert order != scarcity.shuffled(8)
    places = {(cell.lack, cell.host) for cell in order}
    assert {(cell.lack, cell.host) for cell in order[: len(places)]} == places


def test_the_notes_of_a_gate() -> None:
    text = """\
1.5 begin 10 prmVmStonithd monitor again
2.0 begin 11 prmVMCTL_guest3 stop once -v 30000
2.2 end 12 0
2.5 end 10 0
3.0 begin 10 prmVMCTL_guest3 monitor once
3.5 end 10 7
"""
    assert gate.read("host2", text) == [
        Call("host2", "prmVmStonithd", "monitor", True, "", 1.5, 2.5, 0),
        Call("host2", "prmVMCTL_guest3", "stop", False, "-v 30000", 2.0),
        Call("host2", "prmVMCTL_guest3", "monitor", False, "", 3.0, 3.5, 7),
    ]


class Leak(Act):
    """A lack that somebody undoes by giving back what he had, so many times."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.is_there = False

    def begin(self) -> None:
        self.is_there = self._times == 0

    def keep(self) -> None:
        self._times -= 1
        self.begin()

    def felt(self) -> str:
        if not self.is_there:
            raise LabError("there is room")
        return "no room"

    def end(self) -> None:
        self.is_there = False


def test_what_becomes_free_at_the_begin_is_taken_again() -> None:
    spell = Spell(Leak(2))
    spell.begin()
    spell.end()
    assert spell.felt == ["no room"]
    assert spell.is_felt


def test_a_lack_that_is_never_felt_is_an_error() -> None:
    with pytest.raises(LabError, match="there is room"):
        Spell(Leak(99)).begin()
