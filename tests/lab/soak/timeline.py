# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens in a round, each thing at its moment: requests, disturbances, and their ends."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pmkvm.errors import HaError
from tests.lab.errors import LabError
from tests.lab.soak import acts
from tests.lab.soak.plan import Since
from tests.lab.soak.seen import Told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from tests.lab.faults.fault_acts import Act
    from tests.lab.soak.plan import Disturbance, Plan, Request
    from tests.lab.soak.watch import AllLives, Bans
    from tests.lab.soak.world import World

# Who waits for a ban that does not come acts after this time.
NO_BAN_S = 8.0
# A requester without a QEMU for so long is not waited for.
DEAD_S, POLL_S = 3.0, 0.1


class Prepared(NamedTuple):
    """A disturbance, and how it is done."""

    planned: Disturbance
    act: Act


class Timeline:
    """notes: what could not be done as planned. asked_s: the time of day of the first request.

    hits: when each disturbance came. has_entered: whether the target came into its situation.
    """

    def __init__(
        self, world: World, plan: Plan, acts: Sequence[Prepared], lives: AllLives, bans: Bans
    ) -> None:
        self._world, self._plan, self._acts = world, plan, acts
        self._lives, self._bans = lives, bans
        # What waits for the answer of one that is dead ends when that has started anew.
        self._answers = ThreadPoolExecutor(len(plan.requests))
        self.notes: list[str] = []
        self.hits: dict[str, float] = {}
        self.asked_s = 0.0
        self.has_entered = False

    def run(self) -> list[Told]:
        """Back when all have their answers, and what ends by itself has ended."""
        lead_s = -min([0.0, *(one.planned.moment.after_s for one in self._acts)])
        base = time.monotonic() + lead_s
        with ThreadPoolExecutor(len(self._acts) + len(self._plan.requests)) as pool:
            early = [one for one in self._acts if one.planned.moment.after_s < 0]
            done: list[Future[None]] = [pool.submit(self._disturb, one, base) for one in early]
            time.sleep(lead_s)
            self.has_entered = self.try_to(
                "the situation", lambda: acts.enter(self._world, self._plan)
            )
            start, self.asked_s = time.monotonic(), time.time()
            asked = [pool.submit(self._ask, one, start) for one in self._plan.requests]
            late = [one for one in self._acts if one not in early]
            done += [pool.submit(self._disturb, one, start) for one in late]
            told = [each.result() for each in asked]
            for each in done:
                each.result()
        return told

    def undo(self) -> float:
        """What lasts until now; gives the time of day then."""
        self.try_to("the situation's end", lambda: acts.leave(self._world, self._plan))
        for one in self._acts:
            if one.act.after_s is None:
                self.try_to(f"the end of: {one.planned.fault.name}", one.act.undo)
        return time.time()

    def close(self) -> None:
        """When all guests run again."""
        self._answers.shutdown()

    def try_to(self, what: str, act: Callable[[], object]) -> bool:
        """A cluster in trouble may refuse, or have lost what was to be hit. Whether it was done."""
        try:
            act()
        except HaError as error:
            self.notes.append(f"{what}: {str(error).splitlines()[0]}")
            return False
        return True

    def _ask(self, request: Request, start: float) -> Told:
        _sleep_until(start + request.after_s)
        told, guest = Told(time.time()), self._world.guests[request.asker].guest
        try:
            asking = self._world.ask(request).begin(self._world.lab.guests, guest)
            # One that boots asks when it can, and that life of it is who asks.
            told = Told(time.time())
            answering = self._answers.submit(asking.answered)
            while not answering.done() and not self._is_dead(request.asker):
                time.sleep(POLL_S)
            if not answering.done():
                raise LabError("it is dead")
            answered = answering.result()
        except HaError as error:
            # Its promises say whether it may be dead.
            self.notes.append(f"no answer for {request.asker}: {str(error)[-100:]}")
            return told
        return told._replace(
            text=answered.text,
            is_ok=answered.is_ok,
            took_s=answered.took_s,
            answered_s=time.time(),
        )

    def _is_dead(self, guest: str) -> bool:
        """By the newest look, however late that is. One that was started anew says so itself."""
        last_s = max((life.last_s for life in self._lives.of(guest)), default=0.0)
        return self._lives.looked_s > last_s + DEAD_S

    def _disturb(self, one: Prepared, start: float) -> None:
        """Do it at its moment, and undo it in its time."""
        moment, name = one.planned.moment, one.planned.fault.name
        if moment.since is Since.BANNED:
            _sleep_until(start)
            self._bans.is_banned.wait(NO_BAN_S)
            time.sleep(moment.after_s)
        else:
            _sleep_until(start + moment.after_s)
        hit_s = time.time()
        self.try_to(name, one.act.do)
        self.hits[str(one.planned)] = hit_s
        if one.act.after_s is not None:
            time.sleep(one.act.after_s)
            self.try_to(f"the end of: {name}", one.act.undo)


def _sleep_until(monotonic_s: float) -> None:
    time.sleep(max(0.0, monotonic_s - time.monotonic()))
