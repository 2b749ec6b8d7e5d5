# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds are drawn alike everywhere, make sense, and leave nothing out."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.lab.faults import faults
from tests.lab.soak import draw
from tests.lab.soak.plan import ASKERS, GUESTS, HOSTS, SMALL, STATUS, Plan, Since, Situation

GOLDEN = [
    "round 1:1: guest4 on host3, guest3 on host3, guest1 on host2, guest2 on host2",
    "guest4 in start",
    "0.00 s: guest3 asks for reset of guest4 through vm-connect with a sealed token, 30 s",
    "0.62 s: guest2 asks for reset of guest1 through fence_vm_stonith with a token of 2011, 30 s",
    "2.91 s after the first request: vm-connectd of host3 killed",
    "0.22 s after the first ban: the administrator restarts the target",
    "0.00 s after the first ban: the guest's vm-connectd stopped for 4.5 s",
]
PLANS = [draw.plan(7, number) for number in range(1, 2001)]


def test_a_round_is_the_same_on_every_python() -> None:
    assert list(draw.plan(1, 1).lines()) == GOLDEN
    assert draw.plan(1, 1) != draw.plan(2, 1) != draw.plan(1, 2)


@pytest.mark.parametrize("plan", PLANS[:200], ids=lambda plan: str(plan.number))
def test_a_round_makes_sense(plan: Plan) -> None:
    own = [one.fault for one in plan.disturbances]
    assert len(set(own)) == len(own) <= 3
    assert sum(map(draw.is_loss, own)) <= 1
    assert {one.host for one in own} <= {*HOSTS, ""}
    assert plan.goal != plan.homes[plan.first.target]
    assert 1 <= len(plan.fences) <= 2
    # A judge pairs what was told with them in this order.
    assert plan.fences == list(plan.requests[: len(plan.fences)])
    for request in plan.requests:
        assert request.asker in ASKERS
        assert request.target in {*GUESTS} - {request.asker}
        assert request.asker in plan.homes
        assert request.target in plan.homes
    for one in plan.disturbances:
        is_early = one.moment.after_s < 0
        assert not (is_early and one.moment.since is Since.BANNED)
        assert one.fault.what != faults.DELETES or one.moment.since is Since.BANNED
    timeouts = {draw.LOSS_S if any(one.risk for one in own) else draw.REQUEST_S}
    assert {one.timeout_s for one in plan.requests} == timeouts


def test_nothing_is_left_out() -> None:
    drawn = Counter(one.fault for plan in PLANS for one in plan.disturbances)
    assert set(drawn) == {fault for _, sort in draw.SORTS for fault in sort}
    assert {plan.situation for plan in PLANS} == {*Situation}
    assert {len(plan.disturbances) for plan in PLANS} == {0, 1, 2, 3}
    requests = [one for plan in PLANS for one in plan.requests]
    assert {one.operation for one in requests} == {faults.RESET, faults.OFF, STATUS}
    assert {one.target for one in requests} == {*GUESTS}
    assert len({(one.through, one.token) for one in requests}) == 6
    pairs = [plan.fences for plan in PLANS if len(plan.fences) == 2]
    assert any((a.asker, a.target) == (b.target, b.asker) for a, b in pairs)
    assert any((a.asker, a.target) == (b.asker, b.target) for a, b in pairs)
    assert any(a.target == b.target and a.asker != b.asker for a, b in pairs)
    assert any(b.asker == a.target and b.target != a.asker for a, b in pairs)


def test_who_asks_first_was_seldom_fenced_a_round_ago() -> None:
    """It would have to boot first."""
    followed = [
        plan.first.asker in {one.target for one in before.fences}
        for before, plan in zip(PLANS, PLANS[1:])
    ]
    assert sum(followed) / len(followed) < 0.2
    assert any(plan.first.target == SMALL for plan in PLANS)
    assert any(plan.first.target != SMALL for plan in PLANS)


def test_moments_are_before_together_within_and_after() -> None:
    moments = [one.moment for plan in PLANS for one in plan.disturbances]
    assert any(one.after_s < 0 for one in moments)
    assert any(one.since is Since.ASKED and one.after_s == 0 for one in moments)
    assert any(one.since is Since.ASKED and one.after_s > 0 for one in moments)
    assert sum(one.since is Since.BANNED for one in moments) / len(moments) > 0.3
