# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of the table of scarcity has recorded, a line for each lack: for doc/scarcity.md.

usage: python3 -m tests.lab.faults.scarcity_summary build/scarcity.jsonl
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

HEAD = (
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


def table(lines: Iterable[str]) -> Iterator[str]:
    """Lines of Markdown from those of the record; of a cell that was run twice the last counts."""
    last = {row["cell"]: row for row in map(json.loads, lines)}
    ran = [cell for cell in scarcity.cells() if cell.name in last]
    fences = {cell.name for cell in ran if isinstance(cell.moment, Fence)}
    places = dict.fromkeys((cell.lack.name, cell.host) for cell in ran)
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for name, host in places:
        own = [last[cell.name] for cell in ran if (cell.lack.name, cell.host) == (name, host)]
        yield f"| {' | '.join((f'{name} on {host}', *_figures(own, fences)))} |"
    yield f"| {' | '.join(('all', *_figures([last[cell.name] for cell in ran], fences)))} |"


def _figures(rows: Sequence[dict[str, Any]], fences: set[str]) -> tuple[str, ...]:
    answers = [row["answer"].startswith("Success") for row in rows if row["cell"] in fences]
    codes = [row["rc"] == 0 for row in rows if row["cell"] not in fences]
    # Of a host that was lost there is none.
    well = [row["recovered_s"].values() for row in rows]
    well_s = [max(each) for each in well if each and None not in each]
    return (
        str(len(rows)),
        str(sum(not row["broken"] for row in rows)),
        str(sum(codes)),
        str(len(codes) - sum(codes)),
        str(sum(answers)),
        str(len(answers) - sum(answers)),
        f"{statistics.median(well_s):.1f} s" if well_s else "",
        f"{max(well_s):.1f} s" if well_s else "",
    )


if __name__ == "__main__":
    print("\n".join(table(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())))
