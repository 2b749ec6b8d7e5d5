# SPDX-License-Identifier: GPL-2.0-or-later
"""What a record of the table of scarcity comes to."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.faults import scarcity_summary

FULL = "/run is full on host2"
WELL = {"vm-stonithd of host1": 0.5, "the clones": 2.0}


def row(cell: str, **changes: Any) -> str:
    return json.dumps({"cell": cell, "recovered_s": WELL, "broken": [], **changes})


def figures(*lines: str) -> dict[str, list[str]]:
    head, _, *rows = (
        [*map(str.strip, line.split("|")[1:-1])] for line in scarcity_summary.table(lines)
    )
    assert head == [*scarcity_summary.HEAD]
    return {fields[0]: fields[1:] for fields in rows}


def test_each_lack_has_its_line_and_all_of_them_one() -> None:
    lost = {"recovered_s": {"vm-stonithd of host1": None}, "broken": ["host2 was fenced"]}
    found = figures(
        row(f"VirtualDomain stop: {FULL}", rc=1, **lost),
        row(f"VirtualDomain monitor: {FULL}", rc=0),
        row(f"reset, the target is killed: {FULL}", answer="Success: Rebooted"),
        row("off, the role is being written: /run is full on host1", answer="NG late"),
    )
    assert found == {
        FULL: ["3", "2", "1", "1", "1", "0", "2.0 s", "2.0 s"],
        "/run is full on host1": ["1", "1", "0", "0", "0", "1", "2.0 s", "2.0 s"],
        "all": ["4", "3", "1", "1", "1", "1", "2.0 s", "2.0 s"],
    }


def test_of_a_cell_that_was_run_twice_the_last_run_counts() -> None:
    cell = f"VirtualDomain stop: {FULL}"
    assert figures(row(cell, rc=1, broken=["it"]), row(cell, rc=0))[FULL][:4] == [
        "1",
        "1",
        "1",
        "0",
    ]
