# SPDX-License-Identifier: GPL-2.0-or-later
"""What is due when, for many keys, each of which has one time at most."""

from __future__ import annotations

import heapq

# Times that no longer hold are thrown away when there are more of them than of the others.
_SLACK = 64


class Timetable:
    """Memory stays in proportion to the keys that have a time, whatever was set and unset."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, key: int, when: float) -> None:
        self._times[key] = when
        heapq.heappush(self._heap, (when, key))
        self._compact()

    def unset(self, key: int) -> None:
        self._times.pop(key, None)
        self._compact()

    def next(self) -> float | None:
        """The earliest time that holds."""
        while self._heap and self._times.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> list[int]:
        """The keys whose time has come, in that order; they have none afterwards."""
        due = []
        while (when := self.next()) is not None and when <= now:
            key = heapq.heappop(self._heap)[1]
            del self._times[key]
            due.append(key)
        return due

    def _compact(self) -> None:
        if len(self._heap) > 2 * len(self._times) + _SLACK:
            self._heap = [(when, key) for key, when in self._times.items()]
            heapq.heapify(self._heap)
