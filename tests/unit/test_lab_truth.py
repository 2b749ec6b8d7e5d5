# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's table of truth calls wrong; and the page of what was measured has each row of it,
as it judges that today, for each Debian.
"""

from __future__ import annotations

import re

import pytest

from tests import tree
from tests.lab.truth.truth import LATE, End, Row, mistake
from tests.lab.truth.truth_rows import ROWS
from tests.lab.truth.truth_situations import nothing
from tests.ocf.agent import OVERDUE


@pytest.mark.parametrize(
    ("action", "rc", "end", "said"),
    [
        ("monitor", 0, End.HERE, ""),
        ("monitor", 7, End.HERE, "says stopped"),
        ("stop", 0, End.HERE, "says stopped"),
        ("probe", 7, End.BOTH, "says stopped"),
        ("probe", 0, End.DEAD, "says running"),
        ("stop", OVERDUE, End.DEAD, LATE),
        ("monitor", 1, End.HERE, "should be 0"),
        ("migrate_to", 0, End.HERE, ""),
        ("migrate_to", 0, End.THERE, "wrong"),
    ],
)
def test_what_is_wrong(action: str, rc: int, end: End, said: str) -> None:
    assert mistake(Row("runs", action, (0,), End.HERE, nothing), rc, end) == said


PAGE = tree.ROOT / "doc" / "measurements" / "virtualdomain.md"
BEGIN = "<!-- truth: printed by make lab-full{} -->\n"
END = "<!-- end of truth -->\n"
ON = ("", " ROOT=trixie")
# Of a row that is new, until the lab has printed what it saw.
UNTRIED = "not tried yet"
CELL = re.compile(r"(?:\*\*)?(killed|\d+) after [\d.]+ s, ([^:*]+)(?:: ([^*]+))?(?:\*\*)?")


def rows(on: str) -> list[list[str]]:
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition(BEGIN.format(on))[2].partition(END)[0].strip()
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


@pytest.mark.parametrize("on", ON)
def test_the_page_has_every_row(on: str) -> None:
    assert [tuple(row[:2]) for row in rows(on)] == [(row.situation, row.action) for row in ROWS]


@pytest.mark.parametrize("on", ON)
def test_what_was_measured_is_judged_as_the_table_does(on: str) -> None:
    """What harm came to the guest besides, an answer does not tell."""
    for row, (situation, _action, *cells) in zip(ROWS, rows(on)):
        if cells == [UNTRIED, UNTRIED]:
            continue
        found = [CELL.fullmatch(cell) for cell in cells]
        theirs, ours = (cell.groups("") for cell in found if cell is not None)
        for rc, end, wrong in (theirs, ours):
            code = OVERDUE if rc == "killed" else int(rc)
            said = LATE if code == OVERDUE else wrong
            assert mistake(row, code, End(end)) in ("", said), situation
        assert ours[2] == "", situation
