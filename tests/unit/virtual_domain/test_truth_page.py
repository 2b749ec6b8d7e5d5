# SPDX-License-Identifier: GPL-2.0-or-later
"""The page about VirtualDomain has each row of the table of truth, as that judges it today."""

from __future__ import annotations

import re

from tests import tree
from tests.lab.truth.truth import LATE, End, mistake
from tests.lab.truth.truth_rows import ROWS
from tests.ocf.agent import OVERDUE

BEGIN = "<!-- truth: printed by make lab-full -->\n"
END = "<!-- end of truth -->\n"
# Of a row that is new, until the lab has printed what it saw.
UNTRIED = "not tried yet"
CELL = re.compile(r"(?:\*\*)?(killed|\d+) after [\d.]+ s, ([^:*]+)(?:: ([^*]+))?(?:\*\*)?")


def rows() -> list[list[str]]:
    page = (tree.ROOT / "doc" / "virtualdomain.md").read_text(encoding="utf-8")
    table = page.partition(BEGIN)[2].partition(END)[0].strip()
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_page_has_every_row() -> None:
    assert [tuple(row[:2]) for row in rows()] == [(row.situation, row.action) for row in ROWS]


def test_what_was_measured_is_judged_as_the_table_does() -> None:
    """What harm came to the guest besides, an answer does not tell."""
    for row, (situation, _action, *cells) in zip(ROWS, rows()):
        if cells == [UNTRIED, UNTRIED]:
            continue
        found = [CELL.fullmatch(cell) for cell in cells]
        theirs, ours = (cell.groups("") for cell in found if cell is not None)
        for rc, end, wrong in (theirs, ours):
            code = OVERDUE if rc == "killed" else int(rc)
            said = LATE if code == OVERDUE else wrong
            assert mistake(row, code, End(end)) in ("", said), situation
        assert ours[2] == "", situation
