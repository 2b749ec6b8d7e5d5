# SPDX-License-Identifier: GPL-2.0-or-later
"""One round: its guests are placed, things happen, all comes back, and what was seen of it."""

from __future__ import annotations

import time
from typing import NamedTuple

from pmkvm.deadline import Deadline
from tests.lab.cluster import stonith
from tests.lab.faults import faults
from tests.lab.faults.fence_promises import DISK_S
from tests.lab.soak import acts, settle
from tests.lab.soak.allowance import allowance
from tests.lab.soak.seen import Seen, lines
from tests.lab.soak.timeline import Prepared, Timeline
from tests.lab.soak.watch import AllLives, Bans
from tests.lab.soak.world import BYSTANDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.lab.soak.plan import Plan
    from tests.lab.soak.seen import Line
    from tests.lab.soak.world import World

# A second life of a target that something ends would be seen to end in this time.
AFTERWARDS_S = 2.0


class Picture(NamedTuple):
    """What the end is compared with. bystanders: where each runs, and the file that its start made
    there: of actions Pacemaker's own history tells others when it is told anew."""

    bystanders: dict[str, tuple[str, str]]
    boots: dict[str, list[str]]


class Course:
    """A round that is prepared: its guests run where they are to run, and can ask."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self._plan = world, plan
        self._began_s = time.time()
        # Of the record, beside what is judged.
        self.notes: dict[str, Any] = {"phases": {}}
        world.lab.fencing.repair()
        world.forget_consoles()
        world.place(plan.homes)
        world.wait_for_ways(dict.fromkeys(one.asker for one in plan.requests))
        self._acts = [Prepared(one, acts.prepare(world, plan, one)) for one in plan.disturbances]
        self._before = _look(world)
        self._took("placed")

    def live_through(self) -> Seen:
        """All of it, to the end that it has by itself. HaError if it can't be watched to there."""
        world, plan = self._world, self._plan
        uuids = {name: one.guest.uuid for name, one in world.guests.items()}
        with AllLives(world.lab.guests, uuids) as lives, Bans(world.lab.hosts) as bans:
            timeline = Timeline(world, plan, self._acts, lives, bans)
            told = timeline.run()
            self._took("told")
            undone_s = timeline.undo()
            back_s = self._settle(timeline)
            self._took("back")
            timeline.close()
            settle.wait_clean(world.lab)
            self._took("clean")
            seen = Seen(
                began_s=self._began_s,
                ended_s=0.0,
                undone_s=undone_s,
                told=told,
                lives={},
                lines=self._lines(),
                back_s=back_s,
                left=settle.left(world, is_moved=allowance(plan).moves),
                ill=[*settle.ill(world), *self._not_survived()],
            )
            seen = self._compared(seen, _look(world))
            time.sleep(AFTERWARDS_S)
            # In this order: a life that goes on was seen at the end of the watch.
            ended_s = lives.looked_s
            found = {name: lives.of(name) for name in world.guests}
            seen = seen._replace(ended_s=ended_s, lives=found, bans=bans.all())
        self._took("looked at")
        self.notes["notes"] = timeline.notes
        self.notes["hits"] = {
            name: round(hit_s - timeline.asked_s, 2) for name, hit_s in timeline.hits.items()
        }
        return seen

    def _settle(self, timeline: Timeline) -> dict[str, float | None]:
        """What was switched off is switched on, what was stopped is started, hosts boot."""
        plan, world = self._plan, self._world
        deadline = Deadline(settle.SETTLED_S)
        timeline.try_to("hosts", lambda: settle.bring_back(world.lab, deadline))
        # A host that comes back may bring a newer CIB along, in which nobody was started yet.
        timeline.try_to("the cluster", lambda: settle.wait_whole(world.lab, deadline))
        time.sleep(DISK_S)
        offs: dict[str, list[str]] = {}
        for one in plan.fences:
            if one.operation == faults.OFF:
                offs.setdefault(one.target, []).append(one.asker)
        for pair in offs.items():
            timeline.try_to("on", lambda pair=pair: settle.switch_on(world, *pair))  # type: ignore[misc]
        if allowance(plan).kept or not timeline.has_entered:
            timeline.try_to("start", lambda: settle.start(world, plan.first.target))
        return settle.wait_back(world)

    def _lines(self) -> list[Line]:
        hosts = self._world.lab.hosts
        logs = {host.name: host.on_disk(stonith.LOG).splitlines() for host in hosts}
        return [one for name, log in logs.items() for one in lines(name, log, self._began_s)]

    def _not_survived(self) -> list[str]:
        """Daemons that were to execute themselves, where nothing else was done to a host."""
        is_lone = len([one for one in self._plan.disturbances if one.fault.host]) == 1
        return [
            f"{one.planned.fault.name}, and did not survive it"
            for one in self._acts
            if is_lone and one.act.survives is not None and not one.act.survives.is_alive()
        ]

    def _compared(self, seen: Seen, after: Picture) -> Seen:
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

    def _took(self, what: str) -> None:
        phases = self.notes["phases"]
        phases[what] = round(time.time() - self._began_s - sum(phases.values()), 1)


def _look(world: World) -> Picture:
    status = world.lab.status()
    bystanders = {}
    for name in BYSTANDERS:
        host = next(iter(status.hosts_of(name)), "")
        argv = ["stat", "-c", "%i %z", f"/run/Dummy-{name}.state"]
        bystanders[name] = (host, world.lab.host(host).must(argv) if host else "")
    boots = {name: one.counter.boots() for name, one in world.guests.items()}
    return Picture(bystanders, boots)
