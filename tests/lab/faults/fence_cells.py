# SPDX-License-Identifier: GPL-2.0-or-later
"""The fence matrix: each situation of a target by each way to ask for a fence of it. Pure."""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.lab.faults.situations import MIGRATING, OTHER_HOST, SAME_HOST, SITUATIONS
from tests.lab.guests.fencing_guest import AGENT, CONNECT, PLUGIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.faults.situations import Situation

IDLE = {
    AGENT: ("on", "status", "list"),
    PLUGIN: ("reset", "off", "on", "status", "list"),
    CONNECT: ("reset", "off", "on", "status", "list"),
}
ON_FAIL = ("fence", "block", "standby")
BASIC = (SAME_HOST, OTHER_HOST, MIGRATING)


class Cell(NamedTuple):
    """One row of the table. on_fail: of the target's monitor, which runs each second then."""

    situation: Situation
    operation: str
    through: str = AGENT
    on_fail: str = ""

    @property
    def name(self) -> str:
        failing = f", on-fail={self.on_fail}" if self.on_fail else ""
        return f"{self.operation} by {self.through}, {self.situation.name}{failing}"


def cells(host_count: int) -> list[Cell]:
    """All of them for a cluster of two hosts, or of three."""
    if host_count > 2:
        return [Cell(where, what) for where in BASIC for what in ("reset", "off")]
    found = [Cell(where, what) for where in SITUATIONS for what in ("reset", "off")]
    found += [
        Cell(OTHER_HOST, what, how) for how, operations in IDLE.items() for what in operations
    ]
    found += [Cell(where, "reset", on_fail=value) for where in BASIC for value in ON_FAIL]
    return found


def sample(host_count: int, seed: int) -> list[Cell]:
    """A tenth of them, in the table's order."""
    every = cells(host_count)
    chosen = random.Random(seed).sample(range(len(every)), max(1, round(len(every) / 10)))
    return [every[number] for number in sorted(chosen)]
