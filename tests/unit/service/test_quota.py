# SPDX-License-Identifier: GPL-2.0-or-later
"""A log that others cause: nobody fills it, and what is left out is counted."""

from __future__ import annotations

from pmkvm.service.bucket import LINES_BURST, LINES_PER_S, Quota

DAY_S = 86400


def test_a_flood_gets_a_burst_and_then_a_few_lines_which_count_the_others() -> None:
    quota = Quota(0.0)
    taken = [quota.take(second / 50) for second in range(50 * 60)]
    told = [each for each in taken if each is not None]
    assert len(told) == LINES_BURST + 60 * LINES_PER_S - 1
    assert set(told[: int(LINES_BURST)]) == {""}
    assert told[-1] == " (499 lines about it before this one are left out)"


def test_a_day_of_it_is_bounded() -> None:
    quota = Quota(0.0)
    lines = sum(quota.take(float(second)) is not None for second in range(DAY_S))
    assert lines < LINES_BURST + DAY_S * LINES_PER_S + 1


def test_who_says_little_is_always_heard() -> None:
    quota = Quota(0.0)
    assert {quota.take(minute * 60.0) for minute in range(200)} == {""}
