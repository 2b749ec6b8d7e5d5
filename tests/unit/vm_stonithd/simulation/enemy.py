# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with valid tokens that knows the rules, and asks for what they do not foresee."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model.facts import Operation, Request, Sender
from daemons.vm_stonithd.model.host_report import MOST_DONE
from tests.unit.vm_stonithd.simulation.engine import GUESTS

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.unit.vm_stonithd.simulation.world import World

# Some ask for more than a host remembers.
REQUESTS = (40, 160, 400)
# In seconds: nothing is left, the answer's own margin, and what is ordinary.
TIMES = (0.001, 0.01, 0.29, 0.3, 0.301, 0.5, 2.0, 6.0)
PAUSES = (0.0, 0.0, 0.001, 0.01, 0.1)


class Enemy:
    """Asks on the host where it runs, with ids that are new, used before, or another target's, and
    for what the host is about to forget."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._draw = world.engine.random
        self._own = self._draw.choice(GUESTS)
        self._others = [guest for guest in GUESTS if guest != self._own]
        self._ids: list[str] = []

    def begin(self) -> None:
        self._world.engine.spawn(self._ask())

    def _ask(self) -> Generator[float, None, None]:
        operations = self._draw.choice([tuple(Operation), (Operation.RESET, Operation.OFF)])
        for _ in range(self._draw.choice(REQUESTS)):
            yield self._draw.choice(PAUSES)
            here = next(iter(self._world.hosts.running(self._own)), None)
            if here is None:
                return
            hash_, target = self._key()
            operation, seconds = self._draw.choice(operations), self._draw.choice(TIMES)
            self._world.judge.senders[self._own, hash_, target] = here.born
            self._world.deliver(
                here.host,
                Request(
                    number=self._world.number(),
                    operation=operation,
                    requester=self._own,
                    hash=hash_,
                    target=target,
                    uuid=self._world.hosts.uuid(target),
                    seconds=seconds,
                    sender=Sender(self._own, here.life),
                ),
            )

    def _key(self) -> tuple[str, str]:
        mine = [key for key in self._world.judge.answered if key[0] == self._own]
        if len(mine) >= MOST_DONE and self._draw.random() < 0.4:
            # Of the hundred that a host remembers a few are other guests'.
            _, hash_, target = mine[self._draw.randint(0, 5) - MOST_DONE]
            return hash_, target
        return self._id(), self._draw.choice(self._others)

    def _id(self) -> str:
        if self._ids and self._draw.random() < 0.3:
            return self._draw.choice(self._ids)
        self._ids.append(f"e{self._draw.getrandbits(60):015x}")
        return self._ids[-1]
