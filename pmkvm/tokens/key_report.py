# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host's vm-stonithd says of its keys, among its words in attrd. Pure.

One item for each key: key=KEYID since=SECONDS used=SECONDS. since: from when on it has counted,
used: when a token of that key was opened last, 0 for never; both in seconds since 1970.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The one private attribute of a host's vm-stonithd.
ATTRIBUTE = "vm-stonith"
KIND = "key"
# Every use is said to all hosts, so its time is rounded down to this.
USE_S = 600
_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)


class KeyReport(NamedTuple):
    """A key that a host has."""

    id: str
    since: int
    used: int


class Said(NamedTuple):
    """up: the host's time of day when it said this."""

    up: float
    keys: tuple[KeyReport, ...]

    def find(self, key_id: str) -> KeyReport | None:
        return next((key for key in self.keys if key.id == key_id), None)


def encode(report: KeyReport) -> str:
    return f"{KIND}={report.id} since={report.since} used={report.used}"


def decode(rest: str) -> KeyReport:
    """Of what stands behind key=. Raises ValueError; words of a later release are passed over."""
    key_id, *parts = rest.split(" ")
    fields = dict(part.split("=", 1) for part in parts)
    if not _ID.fullmatch(key_id) or not {"since", "used"} <= fields.keys():
        raise ValueError("no key")
    return KeyReport(key_id, int(fields["since"]), int(fields["used"]))


def parse(text: str) -> Said | None:
    """Of the whole attribute; None: that host says nothing."""
    up = None
    keys = []
    for item in text.split(";"):
        kind, _, rest = item.strip().partition("=")
        try:
            if kind == "up":
                up = float(rest)
            elif kind == KIND:
                keys.append(decode(rest))
        except ValueError:
            continue
    return None if up is None or not math.isfinite(up) else Said(up, tuple(keys))


def merge(now: Iterable[KeyReport], before: Iterable[KeyReport]) -> tuple[KeyReport, ...]:
    """The keys of now, with what was known of each before a restart."""
    known = {key.id: key for key in before}
    return tuple(
        KeyReport(
            key.id,
            min(key.since, known.get(key.id, key).since),
            max(key.used, known.get(key.id, key).used),
        )
        for key in now
    )
