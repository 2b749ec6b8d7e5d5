# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of doc/measurements: which part of them is written here, and what it is to be."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests import tree
from tests.measurements import record, tables
from tests.measurements.figures import FIGURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.measurements.figures import Figure
    from tests.measurements.record import Point

DOC = tree.ROOT / "doc" / "measurements"
RECORDS = DOC / "records"


class Marks(NamedTuple):
    """Around a figure's part of its page."""

    begin: str
    end: str


def marks(figure: Figure) -> Marks:
    return Marks(
        f"<!-- {figure.name}: written by python3 -m tests.measurements -->\n",
        f"<!-- end of {figure.name} -->\n",
    )


def records() -> list[Point]:
    """All that are kept in the tree, in the order of the figures' names."""
    return [point for path in sorted(RECORDS.glob("*.jsonl")) for point in record.read(path)]


def drawn(points: Sequence[Point]) -> list[Figure]:
    """A figure that was never measured is left out."""
    measured = {point.figure for point in points}
    return [figure for figure in FIGURES if figure.name in measured]


def renewed(page: str, text: str, points: Sequence[Point]) -> str:
    """The text of that page with its figures as the records have them."""
    for figure in drawn(points):
        if figure.page == page:
            begin, end = marks(figure)
            head, found, rest = text.partition(begin)
            _old, ended, tail = rest.partition(end)
            if not found or not ended:
                raise ValueError(f"{page} has no place for {figure.name}")
            text = f"{head}{begin}{tables.part(figure, points)}{end}{tail}"
    return text


def marked(text: str) -> list[str]:
    """The figures that a page has a place for."""
    return re.findall(r"^<!-- (\S+): written by python3 -m tests.measurements -->$", text, re.M)


def picture(figure: Figure) -> Path:
    return DOC / f"{figure.name}.svg"
