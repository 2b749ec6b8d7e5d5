# SPDX-License-Identifier: GPL-2.0-or-later
"""What a record of the fault table comes to."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.faults import fault_summary

STOPS = "the administrator stops the target"
STORY = {"answer": "Success: Rebooted", "ok_s": 2.0, "back_s": 4.0, "broken": []}


def row(cell: str, **changes: Any) -> str:
    return json.dumps({**STORY, "cell": cell, **changes})


def figures(*lines: str) -> dict[str, list[str]]:
    head, _, *rows = (
        [*map(str.strip, line.split("|")[1:-1])] for line in fault_summary.table(lines)
    )
    assert head == [*fault_summary.HEAD]
    return {fields[0]: fields[1:] for fields in rows}


def test_each_fault_has_its_line_and_all_of_them_one() -> None:
    found = figures(
        row(f"reset, the ban is there: {STOPS}", ok_s=3.0),
        row(f"reset, the target is killed: {STOPS}", answer="ERROR: NG", ok_s=None, back_s=9.0),
        row(f"off, the ban is there: {STOPS}", ok_s=1.0, back_s=99.0),
        row("off, the ban is there: host1 loses its power", answer="the requester died"),
    )
    assert found == {
        STOPS: ["3", "2", "1", "0", "2.0 s", "3.0 s", "9 s"],
        "host1 loses its power": ["1", "0", "0", "1", "", "", ""],
        "all": ["4", "2", "1", "1", "2.0 s", "3.0 s", "9 s"],
    }


def test_of_a_cell_that_was_run_twice_the_last_run_counts() -> None:
    cell = f"reset, the ban is there: {STOPS}"
    found = figures(row(cell, answer="ERROR: NG"), row(cell))
    assert found[STOPS][:3] == ["1", "1", "0"]


def test_an_answer_that_was_repeated_has_no_time() -> None:
    found = figures(row(f"reset, the ban is there: {STOPS}", ok_s=None))
    assert found[STOPS] == ["1", "1", "0", "0", "", "", "4 s"]
