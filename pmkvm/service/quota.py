# SPDX-License-Identifier: GPL-2.0-or-later
"""How many lines of a log somebody may cause who is not trusted."""

from __future__ import annotations

from pmkvm.service.bucket import Bucket

LINES_PER_S = 0.1
LINES_BURST = 60.0


class Quota:
    """One guest's lines: so many at a time, and in the long run six a minute."""

    def __init__(self, now: float) -> None:
        self._bucket = Bucket(LINES_PER_S, LINES_BURST, now)
        self._left_out = 0

    def take(self, now: float) -> str | None:
        """What to add to the line, which tells of those before it; None: leave it out."""
        if not self._bucket.take(now):
            self._left_out += 1
            return None
        count, self._left_out = self._left_out, 0
        return f" ({count} lines about it before this one are left out)" if count else ""
