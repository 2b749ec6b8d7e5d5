# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_time_runs_out_and_never_below_zero(clock: Clock) -> None:
    deadline = Deadline(10, clock)
    assert deadline.remaining() == 10
    clock.now += 9.5
    assert deadline.remaining() == 0.5
    assert not deadline.expired()
    clock.now += 0.5
    assert deadline.expired()
    clock.now += 60
    assert deadline.remaining() == 0


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_at_all_is_over_at_once(clock: Clock, seconds: float) -> None:
    assert Deadline(seconds, clock).expired()


def test_an_earlier_deadline_keeps_the_margin_and_the_clock(clock: Clock) -> None:
    earlier = Deadline(10, clock).less(3)
    clock.now += 6
    assert earlier.remaining() == 1
    clock.now += 1
    assert earlier.expired()
    # A margin larger than what is left.
    assert Deadline(2, clock).less(3).expired()
    assert Deadline(-2, clock).less(-1).remaining() == 1


@pytest.mark.parametrize(("seconds", "left"), [(4, 4), (10, 10), (20, 10)])
def test_at_most_is_the_earlier_of_two_ends(clock: Clock, seconds: float, left: float) -> None:
    assert Deadline(10, clock).at_most(seconds).remaining() == left


def test_check_says_what_took_too_long(clock: Clock) -> None:
    deadline = Deadline(1, clock)
    deadline.check("reading")
    clock.now += 1
    with pytest.raises(DeadlineError, match=r"^out of time while reading$"):
        deadline.check("reading")


def test_a_pause_ends_with_the_deadline(clock: Clock) -> None:
    """With an hour asked for and no time left this test would not end."""
    Deadline(0, clock).pause(3600)
