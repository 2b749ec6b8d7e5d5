# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of the table of scarcity has recorded, a line for each lack.

usage: python3 -m tests.lab.faults.summary build/scarcity.jsonl
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.lab.faults import scarcity
from tests.lab.faults.scarcity import Fence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

OF_LACKS = (
    "lack",
    "cells",
    "held",
    "actions: 0",
    "another code",
    "fences: OK",
    "NG",
    "well again after: median",
    "most",
)


def of_lacks(lines: Iterable[str]) -> Iterator[str]:
    """Lines of Markdown from those of the record; of a cell that was run twice the last counts."""
    last = {row["cell"]: row for row in map(json.loads, lines)}
    ran = [cell for cell in scarcity.cells() if cell.name in last]
    fences = {cell.name for cell in ran if isinstance(cell.moment, Fence)}
    yield from _head(OF_LACKS)
    for name, host in dict.fromkeys((cell.lack.name, cell.host) for cell in ran):
        own = [last[cell.name] for cell in ran if (cell.lack.name, cell.host) == (name, host)]
        yield _line(f"{name} on {host}", *_of_lack(own, fences))
    yield _line("all", *_of_lack([last[cell.name] for cell in ran], fences))


def _of_lack(rows: Sequence[dict[str, Any]], fences: set[str]) -> tuple[object, ...]:
    answers = [row["answer"].startswith("Success") for row in rows if row["cell"] in fences]
    codes = [row["rc"] == 0 for row in rows if row["cell"] not in fences]
    # Of a host that was lost there is none.
    well = [row["recovered_s"].values() for row in rows]
    well_s = [max(each) for each in well if each and None not in each]
    held = sum(not row["broken"] for row in rows)
    counts = (*_yes_and_no(codes), *_yes_and_no(answers))
    return len(rows), held, *counts, *_median_and_most(well_s)


def _yes_and_no(found: Sequence[bool]) -> tuple[int, int]:
    return sum(found), len(found) - sum(found)


def _median_and_most(seconds: Sequence[float]) -> tuple[str, str]:
    if not seconds:
        return "", ""
    return f"{statistics.median(seconds):.1f} s", f"{max(seconds):.1f} s"


def _head(titles: Sequence[str]) -> tuple[str, str]:
    return _line(*titles), f"|{'---|' * len(titles)}"


def _line(*fields: object) -> str:
    return f"| {' | '.join(map(str, fields))} |"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    print("\n".join(of_lacks(path.read_text(encoding="utf-8").splitlines())))
