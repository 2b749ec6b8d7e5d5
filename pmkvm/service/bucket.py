# SPDX-License-Identifier: GPL-2.0-or-later
"""A token bucket: so many a second, and a burst; and the lines of a log that it lets through."""

from __future__ import annotations

# Of what somebody causes who is not trusted.
LINES_PER_S = 0.1
LINES_BURST = 60.0


class Bucket:
    """Never holds more than burst; may go below zero by what take_anyway() takes."""

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._filled = now

    def take(self, now: float) -> bool:
        """One, if there is one."""
        self._fill(now)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    def take_anyway(self, amount: float, now: float) -> float:
        """Take it, and say how many seconds to wait until the bucket is out of its debt."""
        self._fill(now)
        self._level -= amount
        return max(0.0, -self._level / self._per_s)

    def _fill(self, now: float) -> None:
        passed = max(0.0, now - self._filled)
        self._level = min(self._burst, self._level + passed * self._per_s)
        self._filled = now


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
