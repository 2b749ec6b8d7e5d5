# SPDX-License-Identifier: GPL-2.0-or-later
"""Each promise's check is seen to fail on a story that breaks it; and the fault table is whole."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.faults import faults, fence_promises
from tests.lab.faults.faults import State
from tests.lab.faults.fence_bans import Banned
from tests.lab.faults.fence_promises import Kill, Story
from tests.lab.guests.lives import Life

# A reset at 100: banned at 100.1, killed, proven at 100.4, back at 101.
GOOD = Story(
    operation="reset",
    asked_s=100.0,
    timeout_s=20.0,
    ended_s=120.0,
    answer="Success: Rebooted",
    is_ok=True,
    took_s=1.0,
    answered_s=100.5,
    ok_s=100.4,
    bans=[Banned("a", "reset", 100.1, 100.6, 160.0)],
    lives=[Life("host2", 50.0, 100.2), Life("host2", 101.0, 120.0)],
    kills=[Kill("host2", 100.2)],
    back_s=101.0,
)


def test_a_qemu_whose_guest_never_runs_is_no_life_that_begins() -> None:
    """What a start under a ban leaves, until somebody ends it."""
    paused = Life("host1", 100.45, 100.7, has_run=False)
    assert fence_promises.broken(GOOD._replace(lives=[*GOOD.lives, paused])) == []
    # But it must not be there any more when a fence is proven.
    old = Life("host1", 50.0, 100.7, has_run=False)
    assert fence_promises.broken(GOOD._replace(lives=[old, *GOOD.lives])) != []


def test_a_good_fence_breaks_nothing() -> None:
    assert fence_promises.broken(GOOD) == []


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("P1", {"lives": [Life("host2", 50.0, 100.5)]}),
        ("P1", {"lives": [Life("host1", 100.3, 100.7), *GOOD.lives]}),
        ("P1", {"operation": "off", "bans": [Banned("a", "off", 100.1, None, 160.0)]}),
        ("P1", {"bans": [Banned("a", "reset", 100.1, 116.0, 101.5)]}),
        ("P2", {"lives": [*GOOD.lives, Life("host2", 102.0, 103.0)]}),
        (
            "P2",
            {
                "lives": [*GOOD.lives, Life("host2", 102.0, 103.0)],
                "kills": [Kill("host2", 103.1)],
                "moves": True,
            },
        ),
        ("P3", {"back_s": None}),
        ("P3", {"back_s": None, "operation": "off", "is_kept_stopped": True}),
        ("P3", {"back_s": 240.0}),
        ("P4", {"requester_died_s": 90.0, "answer": None, "is_ok": False}),
        ("P5", {"left": ["ban vm-stonith-guest2"]}),
        ("P5", {"gone": frozenset({"host2"})}),
        ("P6", {"answer": None}),
        ("P6", {"answer": " "}),
        ("P6", {"took_s": 26.0}),
    ],
)
def test_a_broken_promise_is_named(promise: str, changes: dict[str, Any]) -> None:
    found = fence_promises.broken(GOOD._replace(**changes))
    assert [text.partition(":")[0] for text in found] == [promise] * len(found) != []


def test_a_ban_that_has_run_out_bars_nobody_though_it_is_still_there() -> None:
    run_out = GOOD._replace(bans=[Banned("a", "reset", 100.1, 116.0, 101.0)])
    assert fence_promises.broken(run_out) == []


def test_what_the_fault_itself_does_is_no_broken_promise() -> None:
    moved = GOOD._replace(lives=[*GOOD.lives, Life("host2", 102.0, 103.0)], moves=True)
    assert fence_promises.broken(moved) == []
    lost = GOOD._replace(gone=frozenset({"host1"}), risk=frozenset({"host1"}))
    assert fence_promises.broken(lost) == []
    dead = GOOD._replace(answer=None, is_ok=False, answered_s=None, requester_died_s=100.3)
    assert fence_promises.broken(dead) == []


def test_the_table_has_every_fault_at_every_state() -> None:
    cells = faults.cells()
    assert len(set(cells)) == len({cell.name for cell in cells}) == len(cells)
    for operation, states in faults.STATES.items():
        found = {cell.state for cell in cells if cell.operation == operation}
        assert found == set(states)
    for state in State:
        assert {cell.fault for cell in cells if cell.state is state} <= set(faults.FAULTS)
    assert {cell.fault for cell in cells} == set(faults.FAULTS)


def test_the_whole_table_comes_in_an_order_that_follows_from_the_seed() -> None:
    assert {*faults.shuffled(3)} == {*faults.cells()}
    assert faults.shuffled(3) == faults.shuffled(3)
    assert faults.shuffled(3) != faults.shuffled(4)
    first = faults.shuffled(3)[: len(faults.FAULTS)]
    assert {cell.fault for cell in first} == set(faults.FAULTS)


def test_a_sample_takes_the_time_it_is_given() -> None:
    for seed in range(50):
        cost_s = sum(cell.fault.cost_s for cell in faults.sample(seed, 90.0))
        assert 65.0 < cost_s <= 90.0
