# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of the fault table has recorded, a line for each fault, as doc/fault-table.md has it.

usage: python3 -m tests.lab.faults.fault_summary build/fence-faults.jsonl
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.lab.faults import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# The answer that the record has for a guest that was gone.
NOBODY = "the requester died"
HEAD = (
    "fault",
    "cells",
    "OK",
    "NG",
    "requester died",
    "OK after: median",
    "most",
    "target back after a reset: most",
)


def table(lines: Iterable[str]) -> Iterator[str]:
    """Lines of Markdown from those of the record; of a cell that was run twice the last counts."""
    last = {row["cell"]: row for row in map(json.loads, lines)}
    ran = [cell for cell in faults.cells() if cell.name in last]
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for fault in faults.FAULTS:
        own = [last[cell.name] for cell in ran if cell.fault == fault]
        if own:
            yield f"| {' | '.join((fault.name, *_figures(own)))} |"
    yield f"| all | {' | '.join(_figures([*last.values()]))} |"


def _figures(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """An answer that was repeated has no line of its own, and so no time."""
    answered = [row for row in rows if row["answer"].startswith("Success")]
    died = [row for row in rows if row["answer"] == NOBODY]
    ok_s = [row["ok_s"] for row in answered if row["ok_s"] is not None]
    resets = [row for row in rows if row["cell"].startswith(f"{faults.RESET},")]
    back_s = [row["back_s"] for row in resets if row["back_s"] is not None]
    return (
        str(len(rows)),
        str(len(answered)),
        str(len(rows) - len(answered) - len(died)),
        str(len(died)),
        f"{statistics.median(ok_s):.1f} s" if ok_s else "",
        f"{max(ok_s):.1f} s" if ok_s else "",
        f"{max(back_s):.0f} s" if back_s else "",
    )


if __name__ == "__main__":
    print("\n".join(table(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())))
