# SPDX-License-Identifier: GPL-2.0-or-later
"""One round of the soak, as it is planned: who asks for what, and what disturbs it when. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from tests.lab.faults import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.lab.faults.faults import Fault

HOSTS = ("host1", "host2", "host3")
# These ask and are fenced, and the small one boots so fast that it is only fenced.
ASKERS = ("guest1", "guest2", "guest3")
SMALL = "guest4"
GUESTS = (*ASKERS, SMALL)

STATUS = "status"
OF_2011, SEALED = "a token of 2011", "a sealed token"
MOVES_ASKER = "moves the requester"


class Situation(Enum):
    """What the first request's target is in the middle of."""

    AT_REST = "at rest"
    MIGRATING = "being migrated"
    STARTING = "in start"
    STOPPING = "in a long stop"
    BEHIND = "behind another resource's long stop"


class Since(Enum):
    """What a moment is counted from."""

    ASKED = "the first request"
    BANNED = "the first ban"


class Moment(NamedTuple):
    """So many seconds after something, or before the first request if they are negative."""

    since: Since
    after_s: float

    def __str__(self) -> str:
        when = "before" if self.after_s < 0 else "after"
        return f"{abs(self.after_s):.2f} s {when} {self.since.value}"


class Request(NamedTuple):
    """after_s: after the first request."""

    asker: str
    target: str
    operation: str
    through: str
    token: str
    after_s: float
    timeout_s: float

    @property
    def is_fence(self) -> bool:
        return self.operation != STATUS

    def __str__(self) -> str:
        return (
            f"{self.after_s:.2f} s: {self.asker} asks for {self.operation} of {self.target}"
            f" through {self.through} with {self.token}, {self.timeout_s:.0f} s"
        )


class Disturbance(NamedTuple):
    """lasts_s: until it is undone; 0: as long as that sort of fault lasts by itself."""

    fault: Fault
    moment: Moment
    lasts_s: float = 0.0

    def __str__(self) -> str:
        name = self.fault.name
        if self.fault.what in (faults.MOVES, MOVES_ASKER):
            name = f"{name} to {self.fault.host}"
        if self.lasts_s:
            name = f"{name.partition(' for ')[0]} for {self.lasts_s:.1f} s"
        return f"{self.moment}: {name}"


class Plan(NamedTuple):
    """homes: where guests are to run before. goal: where the migrating target is on its way to."""

    seed: int
    number: int
    homes: Mapping[str, str]
    situation: Situation
    goal: str
    requests: tuple[Request, ...]
    disturbances: tuple[Disturbance, ...]

    @property
    def first(self) -> Request:
        return self.requests[0]

    @property
    def fences(self) -> list[Request]:
        return [one for one in self.requests if one.is_fence]

    def lines(self) -> Iterator[str]:
        """The plan in words."""
        places = ", ".join(f"{guest} on {host}" for guest, host in self.homes.items())
        where = f" to {self.goal}" if self.situation is Situation.MIGRATING else ""
        yield f"round {self.seed}:{self.number}: {places}"
        yield f"{self.first.target} {self.situation.value}{where}"
        yield from map(str, self.requests)
        yield from map(str, self.disturbances)
