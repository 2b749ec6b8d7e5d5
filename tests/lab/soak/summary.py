# SPDX-License-Identifier: GPL-2.0-or-later
"""What a soak comes to, from its record: that of the last run in it.

usage: python3 -m tests.lab.soak.summary build/soak-bookworm.jsonl
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.lab.soak.record import BROKEN, FAILED, HELD, SPOILT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Row = dict[str, Any]

# Numbers and names in a reason, which would make each one of its own.
_OWN = re.compile(r"\b(host|guest|prmVMCTL_guest)\d\b|\d+(\.\d+)?")
GONE = "no answer: the requester is dead"


def last_run(lines: Iterable[str]) -> list[Row]:
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if row["run"] == rows[-1]["run"]]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of Markdown."""
    told = [one for row in rows for one in row.get("told", ())]
    oks_s = [one["took_s"] for one in told if one["ok"]]
    hosts = [one["took_s"] for row in rows for one in row.get("lines", ()) if one["what"] == "OK"]
    verdicts = Counter(row["verdict"] for row in rows)
    yield "| | |"
    yield "|---|---|"
    yield f"| versions | {'; '.join(sorted({_versions(row) for row in rows}))} |"
    yield f"| seeds | {', '.join(sorted({str(row['seed']) for row in rows}))} |"
    yield f"| rounds | {len(rows)} |"
    for verdict in (HELD, SPOILT, BROKEN, FAILED):
        yield f"| {verdict} | {verdicts[verdict]} |"
    yield f"| new labs after a round | {sum(row['new_lab'] for row in rows)} |"
    yield f"| a round takes: median, most | {_figures([row['all_s'] for row in rows])} |"
    yield f"| requests | {len(told)} |"
    yield f"| OK | {len(oks_s)} |"
    yield f"| OK after, in the guest: median, 95 %, most | {_spread(oks_s)} |"
    yield f"| OK after, on the host: median, 95 %, most | {_spread(hosts)} |"
    yield from _counts("answer", Counter(_reason(one) for one in told if not one["ok"]))
    yield from _counts("disturbance", Counter(_sort(name) for row in rows for name in row["sorts"]))
    for row in rows:
        for text in row["broken"]:
            yield f"| {row['verdict']} {row['seed']}:{row['round']} | {text} |"
        for one in row["spoilt"]:
            yield f"| Pacemaker in {row['seed']}:{row['round']} | {one['name']}: `{one['line']}` |"


def _counts(what: str, counter: Counter[str]) -> Iterator[str]:
    for name, count in counter.most_common():
        yield f"| {what}: {name} | {count} |"


def _reason(told: Row) -> str:
    if told["text"] is None:
        return GONE
    last = told["text"].strip().splitlines()[-1] if told["text"].strip() else "(nothing)"
    return _OWN.sub(lambda found: found[1] or "N", last)


def _sort(name: str) -> str:
    return _OWN.sub(lambda found: found[1] or "N", name)


def _versions(row: Row) -> str:
    return ", ".join(f"{name} {row.get(name, '?')}" for name in ("pacemaker", "libvirt", "commit"))


def _figures(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.1f} s, {max(seconds):.1f} s"


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    ordered = sorted(seconds)
    most = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered):.2f} s, {most:.2f} s, {ordered[-1]:.2f} s"


if __name__ == "__main__":
    record = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    print("\n".join(table(last_run(record))))
