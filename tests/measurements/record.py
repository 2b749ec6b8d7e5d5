# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of records: what tests write as they run, and what the figures of doc/ are made from."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from tests import tree
from tests.measurements import origin
from tests.measurements.origin import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.lab.hosts.machine import Machine

BUILD = Path(tree.ROOT, "build")
# What the tests of tests/bench write, and others whose rows are points already.
POINTS = "points.jsonl"


class Point(NamedTuple):
    """One value of a figure, or the least, the median and the most of several.

    series and at say where in the figure: the line and its place along the axis. ratio is to the
    figure's peer in the same run. also has counts that belong to it, by their titles.
    """

    figure: str
    series: str
    at: str | int = ""
    unit: str = ""
    n: int | None = None
    least: float | None = None
    median: float | None = None
    most: float | None = None
    ratio: float | None = None
    also: Mapping[str, int | float | str] = {}
    origin: Origin = Origin()

    def line(self) -> str:
        """What is not known is left out."""
        known = {name: value for name, value in self._asdict().items() if value not in (None, "")}
        kept = {**known, "also": dict(self.also), "origin": self.origin.kept()}
        return json.dumps({name: value for name, value in kept.items() if value != {}})


def of_line(line: str) -> Point:
    row = json.loads(line)
    return Point(**{**row, "origin": origin.of_record(row.get("origin", {}))})


def spread(values: Sequence[float], digits: int = 3) -> dict[str, Any]:
    """The fields of a point that several values make."""
    return {
        "n": len(values),
        "least": round(min(values), digits),
        "median": round(statistics.median(values), digits),
        "most": round(max(values), digits),
    }


def read(path: Path) -> list[Point]:
    return [of_line(line) for line in path.read_text(encoding="utf-8").splitlines()]


def append(path: Path | str, row: Mapping[str, object]) -> None:
    """One more line, which outlives a run that is broken off."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{json.dumps(row)}\n")


def tell(points: Iterable[Point], host: Machine | None = None) -> None:
    """Those of a run on this machine, with that host's versions; the command takes them up."""
    where = origin.of_record(origin.here(host))
    for point in points:
        append(BUILD / POINTS, json.loads(point._replace(origin=where).line()))
