# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the figures of doc/measurements from the records there: tables into the pages, pictures
beside them.

    make measurements                                   from the records in the tree
    make measurements FROM=build                        takes what runs have written there first
    python3 -B -m tests.measurements --tables           without pictures, and without matplotlib

Runs write records by themselves: `make bench`, `make fence-faults`, `make split-brain`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.measurements import pages, record, taking
from tests.measurements.condense import CONDENSED
from tests.measurements.figures import FIGURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.measurements.record import Point


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python3 -m tests.measurements")
    text = "take the records of runs from there into the tree"
    found.add_argument("--from", dest="build", type=Path, metavar="DIR", help=text)
    text = "what is to be known of those runs, such as what ran beside them"
    found.add_argument("--note", default="", help=text)
    found.add_argument("--tables", action="store_true", help="write no pictures")
    return found


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    if options.build is not None:
        _take(options.build, options.note)
    points = pages.records()
    for page in sorted({figure.page for figure in pages.drawn(points)}):
        path = pages.DOC / page
        text = pages.renewed(page, path.read_text(encoding="utf-8"), points)
        path.write_text(text, encoding="utf-8")
    return 0 if options.tables else _draw(points)


def _take(build: Path, note: str) -> None:
    """The record of a figure is a file of its own: what changes is seen by its name."""
    kept = taking.taken(pages.records(), _written(build), note)
    pages.RECORDS.mkdir(exist_ok=True)
    for figure in FIGURES:
        lines = [f"{point.line()}\n" for point in kept if point.figure == figure.name]
        if lines:
            path = pages.RECORDS / f"{figure.name}.jsonl"
            path.write_text("".join(lines), encoding="utf-8")


def _written(build: Path) -> list[Point]:
    """Points as they are, and those that the rows of long runs come to."""
    points = record.read(build / record.POINTS) if (build / record.POINTS).exists() else []
    for name, condense in CONDENSED.items():
        path = build / name
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        points += condense([json.loads(line) for line in lines])
    return points


def _draw(points: list[Point]) -> int:
    try:
        from tests.measurements import charts
    except ImportError as error:
        print(f"no pictures: {error}; `make measurements` has what draws them", file=sys.stderr)
        return 1
    for figure in pages.drawn(points):
        pages.picture(figure).write_bytes(charts.svg(figure, points))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
