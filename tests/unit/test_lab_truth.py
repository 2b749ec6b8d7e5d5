# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's table of truth calls wrong."""

from __future__ import annotations

import pytest

from tests.lab.truth.truth import LATE, End, Row, mistake
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
