# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host's vm-stonithd says, and the answers that wait until attrd has taken it. Pure.

A report says all that older ones did, so the newest is written, and answers wait for theirs or a
later one. An answer does not wait beyond its time: nobody sends that request again then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemons.vm_stonithd.model.actions import Answer
    from daemons.vm_stonithd.model.host_report import HostReport


class Outbox:
    """number: of the newest report, counted from 1; 0 while there is none. held: each answer with
    the number of the report that it waits for."""

    def __init__(self) -> None:
        self.report: HostReport | None = None
        self.number = 0
        self._taken = 0
        self.held: list[tuple[int, Answer]] = []

    def say(self, report: HostReport) -> None:
        self.report = report
        self.number += 1

    def take(self, number: int) -> None:
        """attrd has the report of that number."""
        self._taken = number

    def is_taken(self, number: int) -> bool:
        return self._taken >= number

    def hold(self, answer: Answer) -> None:
        """Until the report before it is taken."""
        self.held.append((self.number, answer))

    def due(self, now: float) -> list[Answer]:
        """The answers that go now, in the order in which they were held; they are held no more."""
        held, self.held = self.held, []
        found = []
        for number, answer in held:
            if self.is_taken(number) or answer.by <= now:
                found.append(answer)
            else:
                self.held.append((number, answer))
        return found
