# SPDX-License-Identifier: GPL-2.0-or-later
"""One round under way: the guests are placed, ask, and are disturbed; and what was seen of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from tests.lab import faults, stonith
from tests.lab.errors import LabError
from tests.lab.fence_promises import DISK_S
from tests.lab.soak import acts, settle
from tests.lab.soak.allowance import allowance
from tests.lab.soak.plan import Since
from tests.lab.soak.seen import Seen, Told, lines
from tests.lab.soak.watch import AllLives, Bans
from tests.lab.soak.world import BYSTANDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from tests.lab.fault_acts import Act
    from tests.lab.soak.plan import Disturbance, Plan, Request
    from tests.lab.soak.world import World

# Who waits for a ban that does not come acts after this time.
NO_BAN_S = 8.0
# A second life of the target that something ends would be seen to end in this time.
AFTERWARDS_S = 2.0
# A requester without a QEMU for so long is not waited for.
DEAD_S, POLL_S = 3.0, 0.2


class Before(NamedTuple):
    """What the end is compared with: of bystanders where and since which action they run."""

    bystanders: dict[str, tuple[str, str]]
    boots: dict[str, list[str]]


class Course:
    """A round that is prepared: its guests run where they are to run, and can ask."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self._plan = world, plan
        self.began_s = time.time()
        # What took how long.
        self.phases: dict[str, float] = {}
        world.lab.fencing.repair()
        world.forget_consoles()
        world.place(plan.homes)
        world.wait_for_ways(dict.fromkeys(one.asker for one in plan.requests))
        self._acts = [(one, acts.prepare(world, plan, one)) for one in plan.disturbances]
        self._before = self._look()
        self._took("placed")
        # What could not be done as planned.
        self.notes: list[str] = []
        self._hits: dict[str, float] = {}
        self._asked_s = 0.0

    def live_through(self) -> Seen:
        """All of it, to the end that it has by itself. HaError if it can't be watched to there."""
        world, plan = self._world, self._plan
        uuids = {name: one.guest.uuid for name, one in world.guests.items()}
        with (
            ThreadPoolExecutor(len(plan.requests)) as answers,
            AllLives(world.lab.guests, uuids) as lives,
            Bans(world.lab.hosts) as bans,
        ):
            told = self._ask_and_disturb(bans, answers)
            self._took("told")
            undone_s = self._undo()
            self._took("undone")
            back_s = self._settle()
            self._took("back")
            settle.wait_clean(world.lab)
            self._took("clean")
            left = settle.left(world, is_moved=allowance(plan).moves)
            ill = [*settle.ill(world), *self._not_survived()]
            after = self._look()
            time.sleep(AFTERWARDS_S)
            seen = Seen(
                began_s=self.began_s,
                ended_s=time.time(),
                undone_s=undone_s,
                told=told,
                lives={name: lives.of(name) for name in world.guests},
                bans=bans.all(),
                lines=[
                    line
                    for host in world.lab.hosts
                    for line in lines(
                        host.name, host.on_disk(stonith.LOG).splitlines(), self.began_s
                    )
                ],
                back_s=back_s,
                left=left,
                ill=ill,
            )
        self._took("looked at")
        return self._compared(seen, after)

    def _took(self, what: str) -> None:
        self.phases[what] = round(time.time() - self.began_s - sum(self.phases.values()), 1)

    def hits_s(self) -> dict[str, float]:
        """When each disturbance came, after the first request."""
        return {name: round(hit_s - self._asked_s, 2) for name, hit_s in self._hits.items()}

    def _ask_and_disturb(self, bans: Bans, answers: ThreadPoolExecutor) -> list[Told]:
        lead_s = -min([0.0, *(one.moment.after_s for one, _ in self._acts)])
        base = time.monotonic()
        with ThreadPoolExecutor(len(self._acts) + len(self._plan.requests)) as pool:
            early = [each for each in self._acts if each[0].moment.after_s < 0]
            done: list[Future[None]] = [
                pool.submit(self._disturb, one, act, base + lead_s + one.moment.after_s, None)
                for one, act in early
            ]
            time.sleep(lead_s)
            self._try("the situation", lambda: acts.enter(self._world, self._plan))
            start, self._asked_s = time.monotonic(), time.time()
            asked = [pool.submit(self._ask, one, start, answers) for one in self._plan.requests]
            for one, act in self._acts:
                if one.moment.after_s >= 0:
                    is_banned = bans if one.moment.since is Since.BANNED else None
                    at = start if is_banned else start + one.moment.after_s
                    done.append(pool.submit(self._disturb, one, act, at, is_banned))
            told = [each.result() for each in asked]
            for each in done:
                each.result()
        return told

    def _ask(self, request: Request, start: float, answers: ThreadPoolExecutor) -> Told:
        world = self._world
        time.sleep(max(0.0, start + request.after_s - time.monotonic()))
        told, one = Told(time.time()), world.guests[request.asker]
        try:
            asking = world.ask(request).begin(world.lab.guests, one.guest)
            answering = answers.submit(asking.answered)
            seen_s = time.monotonic()
            while not answering.done():
                # One that was started anew says so itself.
                seen_s = time.monotonic() if one.hosts() else seen_s
                if time.monotonic() > seen_s + DEAD_S:
                    raise LabError("it is dead")
                time.sleep(POLL_S)
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

    def _disturb(self, one: Disturbance, act: Act, at: float, bans: Bans | None) -> None:
        """Do it at that time or a moment after the first ban, and undo it in its time."""
        time.sleep(max(0.0, at - time.monotonic()))
        if bans is not None:
            bans.is_banned.wait(NO_BAN_S)
            time.sleep(one.moment.after_s)
        hit_s = time.time()
        self._try(one.fault.name, act.do)
        self._hits[str(one)] = hit_s
        if act.after_s is not None:
            time.sleep(act.after_s)
            self._try(f"the end of: {one.fault.name}", act.undo)

    def _undo(self) -> float:
        """What lasts until now; gives the time."""
        self._try("the situation's end", lambda: acts.leave(self._world, self._plan))
        for one, act in self._acts:
            if act.after_s is None:
                self._try(f"the end of: {one.fault.name}", act.undo)
        return time.time()

    def _settle(self) -> dict[str, float | None]:
        """What was switched off is switched on, what was stopped is started, hosts boot."""
        plan, world = self._plan, self._world
        deadline = Deadline(settle.SETTLED_S)
        self._try("hosts", lambda: settle.bring_back(world.lab, deadline))
        time.sleep(DISK_S)
        offs = [one for one in plan.fences if one.operation == faults.OFF]
        for target in dict.fromkeys(one.target for one in offs):
            askers = [one.asker for one in offs if one.target == target]
            self._try("on", lambda t=target, a=askers: settle.switch_on(world, t, a))  # type: ignore[misc]
        if allowance(plan).kept:
            self._try("start", lambda: settle.start(world, plan.first.target))
        return settle.wait_back(world)

    def _not_survived(self) -> list[str]:
        """Daemons that were to execute themselves, on hosts where nothing else was done."""
        upset = allowance(self._plan).upset
        return [
            f"{one.fault.name}, and did not survive it"
            for one, act in self._acts
            if act.survives is not None and not act.survives.is_alive()
            if one.fault.host not in upset
            if len([each for each in self._plan.disturbances if each.fault.host]) == 1
        ]

    def _look(self) -> Before:
        lab = self._world.lab
        cib, status = lab.cib(), lab.status()
        bystanders = {}
        for name in BYSTANDERS:
            host = next(iter(status.hosts_of(name)), "")
            path = f".//node_state[@uname='{host}']//lrm_rsc_op[@id='{name}_last_0']"
            key = " ".join(one.get("transition-key", "") for one in cib.iterfind(path))
            bystanders[name] = (host, key)
        boots = {name: one.counter.boots() for name, one in self._world.guests.items()}
        return Before(bystanders, boots)

    def _compared(self, seen: Seen, after: Before) -> Seen:
        before, world = self._before, self._world
        events = world.lab.fencing.events()
        changed = [n for n in BYSTANDERS if before.bystanders[n] != after.bystanders[n]]
        return seen._replace(
            fenced=frozenset(one.host for one in events if one.answer == "OK"),
            upset=frozenset(before.bystanders[name][0] for name in changed),
            anew=frozenset(n for n in world.guests if after.boots[n][len(before.boots[n]) :]),
            interleaved=frozenset(
                name for name, one in world.guests.items() if one.counter.is_going_back()
            ),
        )

    def _try(self, what: str, act: Callable[[], object]) -> None:
        """A cluster in trouble may refuse, or have lost what was to be hit."""
        try:
            act()
        except HaError as error:
            self.notes.append(f"{what}: {str(error).splitlines()[0]}")
