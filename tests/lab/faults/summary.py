# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of one of the tables has recorded, a line for each fault or lack, as doc/ has it.

usage: python3 -m tests.lab.faults.summary faults build/fence-faults.jsonl
       python3 -m tests.lab.faults.summary scarcity build/scarcity.jsonl
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.lab.faults import faults, scarcity
from tests.lab.faults.scarcity import Fence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# The answer that the record has for a guest that was gone.
NOBODY = "the requester died"
OF_FAULTS = (
    "fault",
    "cells",
    "OK",
    "NG",
    "requester died",
    "OK after: median",
    "most",
    "target back after a reset: most",
)
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


def of_faults(lines: Iterable[str]) -> Iterator[str]:
    """Lines of Markdown from those of the record; of a cell that was run twice the last counts."""
    last = {row["cell"]: row for row in map(json.loads, lines)}
    ran = [cell for cell in faults.cells() if cell.name in last]
    yield from _head(OF_FAULTS)
    for fault in faults.FAULTS:
        own = [last[cell.name] for cell in ran if cell.fault == fault]
        if own:
            yield _line(fault.name, *_of_fault(own))
    yield _line("all", *_of_fault([*last.values()]))


def of_lacks(lines: Iterable[str]) -> Iterator[str]:
    """As of_faults()."""
    last = {row["cell"]: row for row in map(json.loads, lines)}
    ran = [cell for cell in scarcity.cells() if cell.name in last]
    fences = {cell.name for cell in ran if isinstance(cell.moment, Fence)}
    yield from _head(OF_LACKS)
    for name, host in dict.fromkeys((cell.lack.name, cell.host) for cell in ran):
        own = [last[cell.name] for cell in ran if (cell.lack.name, cell.host) == (name, host)]
        yield _line(f"{name} on {host}", *_of_lack(own, fences))
    yield _line("all", *_of_lack([last[cell.name] for cell in ran], fences))


def _of_fault(rows: Sequence[dict[str, Any]]) -> tuple[object, ...]:
    """An answer that was repeated has no line of its own, and so no time."""
    answered = [row for row in rows if row["answer"].startswith("Success")]
    died = [row for row in rows if row["answer"] == NOBODY]
    ok_s = [row["ok_s"] for row in answered if row["ok_s"] is not None]
    resets = [row for row in rows if row["cell"].startswith(f"{faults.RESET},")]
    back_s = [row["back_s"] for row in resets if row["back_s"] is not None]
    refused = len(rows) - len(answered) - len(died)
    most = f"{max(back_s):.0f} s" if back_s else ""
    return len(rows), len(answered), refused, len(died), *_median_and_most(ok_s), most


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
    table, path = {"faults": of_faults, "scarcity": of_lacks}[sys.argv[1]], Path(sys.argv[2])
    print("\n".join(table(path.read_text(encoding="utf-8").splitlines())))
