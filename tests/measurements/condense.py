# SPDX-License-Identifier: GPL-2.0-or-later
"""Points from the rows that the long runs write: a line for each fault, for each stage. Pure."""

from __future__ import annotations

from typing import Any

from tests.measurements import origin, record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.measurements.origin import Origin

    Row = dict[str, Any]

# The answer that the record has for a guest that was gone.
NOBODY = "the requester died"
ALL = "all"
# An everyday run draws a few cells, and splits each cluster once: that is no figure.
FEWEST_CELLS, FEWEST_CYCLES = 400, 5
# The fields of a cycle, seconds from the cut.
STAGES = {
    "killed_s": "one guest's QEMU is killed",
    "service_s": "the service runs on the other",
    "booted_s": "the killed one has booted",
    "rejoined_s": "it has rejoined (wire healed)",
}


def faults(rows: Sequence[Row]) -> Iterator[Point]:
    """Of a cell that was run twice the last counts; its name ends with the fault's."""
    last = {row["cell"]: row for row in rows}
    if len(last) < FEWEST_CELLS:
        return
    sorts: dict[str, list[Row]] = {}
    for cell, row in last.items():
        sorts.setdefault(cell.partition(": ")[2], []).append(row)
    where = _newest(rows)
    for fault, own in (*sorts.items(), (ALL, [*last.values()])):
        yield _of_fault(fault, own)._replace(origin=where)


def _of_fault(fault: str, rows: Sequence[Row]) -> Point:
    """An answer that was repeated has no line of its own, and so no time."""
    answered = [row for row in rows if row["answer"].startswith("Success")]
    died = sum(row["answer"] == NOBODY for row in rows)
    ok_s = [row["ok_s"] for row in answered if row["ok_s"] is not None]
    back_s = [
        row["back_s"]
        for row in rows
        if row["cell"].startswith("reset,") and row["back_s"] is not None
    ]
    also: dict[str, int | float | str] = {
        "cells": len(rows),
        "OK": len(answered),
        "NG": len(rows) - len(answered) - died,
        "requester died": died,
    }
    if back_s:
        also["target back after a reset: most"] = round(max(back_s))
    spread = record.spread(ok_s, 1) if ok_s else {}
    kept = {name: spread[name] for name in ("median", "most") if spread}
    return Point("fence-faults", fault, "", "s", also=also, **kept)


def split_brains(rows: Sequence[Row]) -> Iterator[Point]:
    """A point for each stage of each configuration, by the number of guests."""
    sorts: dict[str, list[Row]] = {}
    for row in rows:
        guests = "" if row["guests"] == 2 else f", {row['guests']} guests"
        sorts.setdefault(f"{row['configuration']}{guests}", []).append(row)
    whole = {name: own for name, own in sorts.items() if len(own) >= FEWEST_CYCLES}
    for configuration, own in whole.items():
        for field, stage in STAGES.items():
            values = record.spread([row[field] for row in own], 1)
            point = Point("split-brain", configuration, stage, "s", **values)
            yield point._replace(origin=_newest(own))


def _newest(rows: Sequence[Row]) -> Origin:
    """Of a run that was broken off and went on later, the later part's."""
    return origin.of_record(rows[-1].get("origin", {}))


# By the file in build/.
CONDENSED: dict[str, Callable[[Sequence[Row]], Iterator[Point]]] = {
    "fence-faults.jsonl": faults,
    "split-brain.jsonl": split_brains,
}
