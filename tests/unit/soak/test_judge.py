# SPDX-License-Identifier: GPL-2.0-or-later
"""Each promise's check is seen to fail on a round that breaks it, and to allow what it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pmkvm.fencing.ban import Ban
from tests.lab.faults import faults
from tests.lab.faults.fence_bans import Banned
from tests.lab.guests.lives import Life
from tests.lab.soak import judge
from tests.lab.soak.plan import STATUS, Plan, Situation
from tests.lab.soak.seen import Line, Seen, Told
from tests.lab.soak.watch import Standing
from tests.unit.soak.rounds import KILL, LEAVE, LOSS, MOVE, PLAN, REQUEST, STOP, disturbed

if TYPE_CHECKING:
    from collections.abc import Sequence

GUEST1, GUEST2, GUEST3 = "prmVMCTL_guest1", "prmVMCTL_guest2", "prmVMCTL_guest3"


def standing(
    ban_id: str = "a", asker: str = GUEST1, target: str = GUEST2, first_s: float = 100.1
) -> Standing:
    ban = Ban(target, faults.RESET, ban_id, asker, f"request-{ban_id}", "host1", "uuid", 160)
    return Standing(ban, Banned(ban_id, faults.RESET, first_s, first_s + 0.5, 160.0))


def line(
    at_s: float, *, kill: bool, ban: str = "a", asker: str = GUEST1, target: str = GUEST2
) -> Line:
    return Line("host2", at_s, f"request-{ban}", asker, faults.RESET, target, kill, ban)


# Asked at 100, banned at 100.1, killed, proven at 100.4, back at 101.
GOOD = Seen(
    began_s=95.0,
    ended_s=120.0,
    undone_s=100.5,
    told=[Told(100.0, "OK", True, 0.5, 100.5)],
    lives={
        "guest1": [Life("host1", 50.0, 120.0)],
        "guest2": [Life("host2", 50.0, 100.2), Life("host2", 101.0, 120.0)],
        "guest3": [Life("host3", 50.0, 120.0)],
    },
    bans=[standing()],
    lines=[line(100.2, kill=True), line(100.4, kill=False)],
    anew=frozenset({"guest2"}),
    back_s={"guest1": 101.0, "guest2": 103.0, "guest3": 101.0},
)


def promises(plan: Plan, **changes: Any) -> list[str]:
    found = judge.broken(plan, GOOD._replace(**changes))
    return sorted({text.partition(":")[0] for text in found})


def lives(guest: str, *own: Life) -> dict[str, Sequence[Life]]:
    return {**GOOD.lives, guest: own}


def test_a_good_round_breaks_nothing() -> None:
    assert judge.broken(PLAN, GOOD) == []


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("P1", {"lives": lives("guest2", Life("host2", 50.0, 100.5))}),
        ("P1", {"interleaved": frozenset({"guest3"})}),
        ("P1", {"lives": lives("guest3", Life("host3", 50.0, 120.0), Life("host1", 110.0, 120.0))}),
        (
            "P2",
            {
                "lives": lives("guest2", Life("host2", 50.0, 100.2), Life("host2", 101.0, 104.0)),
                "lines": [*GOOD.lines, line(104.1, kill=True)],
            },
        ),
        ("P3", {"back_s": {**GOOD.back_s, "guest2": None}}),
        (
            "P3",
            {
                "lives": lives("guest2", Life("host2", 50.0, 100.2), Life("host2", 300.0, 310.0)),
                "ended_s": 310.0,
            },
        ),
        (
            "P4",
            {
                "lives": lives("guest1", Life("host1", 50.0, 100.3)),
                "bans": [standing(), standing("b", first_s=103.0)],
            },
        ),
        ("P5", {"fenced": frozenset({"host3"})}),
        ("P5", {"upset": frozenset({"host2"})}),
        ("P5", {"left": ["ban vm-stonith-prmVMCTL_guest2"]}),
        ("P5", {"anew": frozenset({"guest2", "guest3"})}),
        ("P5", {"back_s": {**GOOD.back_s, "guest3": None}}),
        ("P6", {"told": [Told(100.0)]}),
        ("P6", {"told": [Told(100.0, "OK", True, 60.0, 160.0)]}),
        ("P6", {"told": [Told(100.0, "NG no quorum", False, 1.0, 101.0)]}),
        ("daemons", {"ill": ["host1: vm-stonithd is not ready"]}),
    ],
)
def test_a_broken_promise_is_named(promise: str, changes: dict[str, Any]) -> None:
    assert promises(PLAN, **changes) == [promise]


@pytest.mark.parametrize("text", ["NG", "NG ", "NG banned; ", "ERROR: NG banned;"])
def test_a_no_without_a_reason_is_none(text: str) -> None:
    told = [Told(100.0, text, False, 1.0, 101.0)]
    assert promises(disturbed(KILL), told=told) == ["P6"]
    told = [Told(100.0, "NG no quorum", False, 1.0, 101.0)]
    assert promises(disturbed(KILL), told=told) == []


def test_what_the_disturbances_do_breaks_no_promise() -> None:
    lost = {"fenced": frozenset({"host2"}), "upset": frozenset({"host2"})}
    assert promises(disturbed(LOSS), **lost) == []
    assert promises(disturbed(LOSS), fenced=frozenset({"host3"})) == ["P5"]
    anew = {"anew": frozenset({"guest2", "guest3"}), "upset": frozenset({"host3"})}
    assert promises(disturbed(LEAVE), **anew) == []
    assert promises(disturbed(LOSS), **anew) == ["P5"]
    twice = lives("guest3", Life("host3", 50.0, 110.2), Life("host1", 110.0, 120.0))
    assert promises(disturbed(MOVE), lives=twice) == []
    late = lives("guest2", Life("host2", 50.0, 100.2), Life("host2", 300.0, 310.0))
    assert promises(disturbed(STOP), lives=late, ended_s=310.0) == []


def test_a_requester_that_died_needs_no_answer() -> None:
    dead = {"told": [Told(100.0)], "lives": lives("guest1", Life("host1", 50.0, 103.0))}
    assert promises(disturbed(KILL), **dead) == []


def mutual() -> Plan:
    other = REQUEST._replace(asker="guest2", target="guest1")
    return PLAN._replace(requests=(REQUEST, other), situation=Situation.BEHIND)


def test_of_two_that_fence_each_other_one_lives() -> None:
    """guest1 was killed by guest2, or has its OK too."""
    one_ok = {"told": [*GOOD.told, Told(100.0)]}
    assert promises(mutual(), **one_ok) == []
    both_ok = {"told": [*GOOD.told, Told(100.0, "OK", True, 0.5, 100.5)]}
    assert "P4" in promises(mutual(), **both_ok)
    # Its next life asks, when it has booted.
    later = {"told": [*GOOD.told, Told(103.0, "OK", True, 0.5, 103.5)]}
    assert "P4" not in promises(mutual(), **later)
    killed = line(100.3, kill=True, ban="b", asker=GUEST2, target=GUEST1)
    assert "P4" in promises(mutual(), **one_ok, lines=[*GOOD.lines, killed])


def test_a_later_request_may_kill_what_came_after_an_earlier_ones_answer() -> None:
    again = PLAN._replace(requests=(REQUEST, REQUEST._replace(asker="guest3", after_s=5.0)))
    changes: dict[str, Any] = {
        "told": [*GOOD.told, Told(105.0, "OK", True, 0.5, 105.5)],
        "lives": lives(
            "guest2",
            Life("host2", 50.0, 100.2),
            Life("host2", 101.0, 105.2),
            Life("host2", 106.0, 120.0),
        ),
        "bans": [standing(), standing("b", GUEST3, first_s=105.1)],
        "lines": [
            *GOOD.lines,
            line(105.2, kill=True, ban="b", asker=GUEST3),
            line(105.4, kill=False, ban="b", asker=GUEST3),
        ],
    }
    assert promises(again, **changes) == []
    # Under the first one's ban it was not allowed to.
    late = [*GOOD.lines, line(105.2, kill=True), *changes["lines"][3:]]
    assert promises(again, **{**changes, "lines": late}) == ["P2"]


def test_a_status_is_answered_and_that_is_all() -> None:
    asks = PLAN._replace(requests=(REQUEST, REQUEST._replace(operation=STATUS, asker="guest3")))
    assert promises(asks, told=[*GOOD.told, Told(100.0, "OK off", True, 0.1, 100.1)]) == []
    assert promises(asks, told=[*GOOD.told, Told(100.0, "Status: OFF", False, 0.1, 100.1)]) == []
    assert promises(asks, told=[*GOOD.told, Told(100.0)]) == ["P6"]
