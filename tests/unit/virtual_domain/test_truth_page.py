# SPDX-License-Identifier: GPL-2.0-or-later
"""The page about VirtualDomain has each row of the table of truth, and ours without a fault."""

from __future__ import annotations

from tests import tree
from tests.lab.truth.truth_rows import ROWS

BEGIN = "<!-- truth: printed by make lab-full -->\n"
END = "<!-- end of truth -->\n"


def test_the_page_has_every_row_and_ours_are_right() -> None:
    page = (tree.ROOT / "doc" / "virtualdomain.md").read_text(encoding="utf-8")
    table = page.partition(BEGIN)[2].partition(END)[0].strip()
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert [tuple(row[:2]) for row in cells] == [(row.situation, row.action) for row in ROWS]
    assert [row for row in cells if len(row) != 4 or "**" in row[3]] == []
    assert [row for row in cells if "not measured" in row] == []
