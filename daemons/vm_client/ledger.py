# SPDX-License-Identifier: GPL-2.0-or-later
"""What this guest's cluster is to know of the host's attributes, and what it was told. Pure.

Answers and failed questions go in, writes come out. Until the first answer nothing is written, so
that a new vm-client changes nothing that the one before had set.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What was written is written again so often: this node's attribute manager may have lost it.
AGAIN_S = 60.0
# A single question may fail because this guest stood still, as in a live migration.
FAILURES = 2


class Write(NamedTuple):
    """value None: not defined any more."""

    name: str
    value: str | None


class _Told(NamedTuple):
    value: str | None
    at: float


class Ledger:
    """Times are the caller's monotonic clock."""

    def __init__(self, names: Sequence[str], patience_s: float, now: float) -> None:
        """patience_s: without an answer for so long the host is mute, and nothing is defined."""
        self._names = names
        self._patience_s = patience_s
        self._answered_at = now
        self._failures = 0
        self._is_mute = False
        # None: nobody has told yet.
        self._wanted: Mapping[str, str | None] | None = None
        self._told: dict[str, _Told] = {}

    @property
    def is_mute(self) -> bool:
        """Whether what the host has told counts no more."""
        return self._is_mute

    @property
    def wanted(self) -> dict[str, str]:
        """What is to be defined."""
        wanted = self._wanted or {}
        return {name: value for name, value in wanted.items() if value is not None}

    def answered(self, values: Mapping[str, str], now: float) -> None:
        """By the host; what it does not tell is not defined there."""
        self._answered_at = now
        self._failures = 0
        self._is_mute = False
        self._wanted = {name: values.get(name) for name in self._names}

    def failed(self, now: float) -> None:
        """A question had no answer in its time."""
        self._failures += 1
        if self._failures >= FAILURES and now - self._answered_at >= self._patience_s:
            self._is_mute = True
            self._wanted = dict.fromkeys(self._names)

    def unanswered_s(self, now: float) -> float:
        """How long ago the last answer is; 0 if it came to the last question."""
        return now - self._answered_at if self._failures else 0.0

    def due(self, now: float) -> list[Write]:
        if self._wanted is None:
            return []
        return [
            Write(name, value) for name, value in self._wanted.items() if self._is_due(name, now)
        ]

    def is_news(self, write: Write) -> bool:
        """Whether the cluster was told something else before, or nothing."""
        told = self._told.get(write.name)
        return told is None or told.value != write.value

    def written(self, write: Write, now: float) -> None:
        self._told[write.name] = _Told(write.value, now)

    def _is_due(self, name: str, now: float) -> bool:
        value = (self._wanted or {})[name]
        told = self._told.get(name)
        if told is None or told.value != value:
            return True
        # What is not defined can't be lost.
        return value is not None and now - told.at >= AGAIN_S
