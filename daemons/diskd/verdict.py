# SPDX-License-Identifier: GPL-2.0-or-later
"""Pure. What the checks of all disks together mean, and whether they still go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

# The attribute's values, as they were in 2011.
NORMAL, ERROR = "normal", "ERROR"
# What a busy host may add to each wait.
SLACK_S = 15.0
UNKNOWN = "it has not answered yet"


class Pace(NamedTuple):
    """How checks follow each other, in seconds; retries: further attempts of a check."""

    interval_s: float
    timeout_s: float
    retries: int
    retry_interval_s: float

    @property
    def longest_s(self) -> float:
        """From one result to the next, where every attempt takes all its time."""
        attempts_s = (self.retries + 1) * self.timeout_s + self.retries * self.retry_interval_s
        return max(self.interval_s, attempts_s) + attempts_s


class Finding(NamedTuple):
    """The last result for a disk. is_good None: there is none. at: when, or since when not."""

    path: str
    at: float
    is_good: bool | None = None
    reason: str = UNKNOWN


def value(findings: Sequence[Finding]) -> str | None:
    """Of the attribute; None while nothing speaks for ERROR and not all is known."""
    if any(each.is_good is False for each in findings):
        return ERROR
    return NORMAL if all(each.is_good for each in findings) else None


def reasons(findings: Sequence[Finding]) -> str:
    """Why not normal."""
    return "; ".join(f"{each.path}: {each.reason}" for each in findings if not each.is_good)


def overdue(findings: Sequence[Finding], pace: Pace, now: float) -> list[str]:
    """Disks of which there should have been a further result by now."""
    most_s = pace.longest_s + SLACK_S
    return [
        f"{each.path}: no result for {now - each.at:.0f} s"
        for each in findings
        if now - each.at > most_s
    ]
