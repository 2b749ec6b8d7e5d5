# SPDX-License-Identifier: GPL-2.0-or-later
"""What checks mean together."""

from __future__ import annotations

import pytest

from daemons.diskd.verdict import SLACK_S, Finding, Pace, overdue, reasons, value


def findings(*goods: bool | None) -> list[Finding]:
    return [
        Finding(f"/dev/sd{letter}", 100.0, good, "" if good else "why")
        for letter, good in zip("abc", goods)
    ]


@pytest.mark.parametrize(
    ("goods", "expected"),
    [
        ([True], "normal"),
        ([True, True], "normal"),
        ([False], "ERROR"),
        ([True, False], "ERROR"),
        ([None, False], "ERROR"),
        ([None], None),
        ([True, None], None),
    ],
)
def test_one_bad_disk_is_an_error_and_normal_needs_all(
    goods: list[bool | None], expected: str | None
) -> None:
    assert value(findings(*goods)) == expected


def test_the_reason_names_each_disk_that_is_not_good() -> None:
    assert reasons(findings(True, False, None)) == "/dev/sdb: why; /dev/sdc: why"
    assert reasons(findings(True)) == ""


@pytest.mark.parametrize(
    ("pace", "longest_s"),
    [
        # A check may begin an interval after the one before, and take all its time.
        (Pace(30, 60, 0, 5), 120),
        (Pace(10, 30, 1, 5), 130),
        (Pace(100, 10, 0, 5), 110),
    ],
)
def test_checks_that_stand_still_are_overdue(pace: Pace, longest_s: float) -> None:
    assert pace.longest_s == longest_s
    found = findings(True, False)
    assert overdue(found, pace, 100.0 + longest_s + SLACK_S) == []
    late = overdue(found, pace, 101.0 + longest_s + SLACK_S)
    assert late[0] == f"/dev/sda: no result for {1 + longest_s + SLACK_S:.0f} s"
    assert len(late) == 2
