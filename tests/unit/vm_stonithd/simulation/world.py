# SPDX-License-Identifier: GPL-2.0-or-later
"""Three hosts, three guests that fence each other, and everything that can come in between.

All of a run follows from its seed. The machine under test is a parameter: broken copies run in
the same world.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Callable

from daemons.vm_stonithd.cluster import cib_writes
from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.model import events
from daemons.vm_stonithd.model.facts import Operation, Request, Resource, Sender, Standing, View
from pmkvm.fencing.pending_stop import UNTOUCHED_S
from tests.unit.vm_stonithd.daemon import Daemon
from tests.unit.vm_stonithd.simulation.attributes import Attributes
from tests.unit.vm_stonithd.simulation.enemy import Enemy
from tests.unit.vm_stonithd.simulation.engine import GUESTS, HOSTS, Cib, Engine
from tests.unit.vm_stonithd.simulation.hosts import Hosts
from tests.unit.vm_stonithd.simulation.judge import BrokenError, Given, Judge
from tests.unit.vm_stonithd.simulation.pacemaker import Entry, Pacemaker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from daemons.vm_stonithd.cluster.cib_writes import CreateBans
    from daemons.vm_stonithd.model.actions import Action

    Process = Generator[float, None, None]

ACTIVE_S = 23.0
# A lease, 15 s, and time for what Pacemaker has still to do.
QUIET_S = 150.0


class World:
    """One run; has_enemy: one of the guests asks for what nobody foresees. rests: a host at rest
    hears the others as rarely as the real one. Else it hears each word, and so do the seeds that
    were once found."""

    def __init__(
        self,
        seed: int,
        machine: type[Machine] = Machine,
        *,
        has_enemy: bool = False,
        rests: bool = False,
    ) -> None:
        self.has_enemy, self.rests = has_enemy, rests
        self.engine = Engine(seed)
        self.machine = machine
        # Which of the bans that are wanted at one moment one write creates.
        self.together: Callable[[Iterable[Action]], Iterable[Action | CreateBans]]
        self.together = cib_writes.together
        self.judge = Judge()
        self.cib = Cib(self.engine, _first_view())
        self.hosts = Hosts(self.engine, self.cib, self.judge)
        self.pacemaker = Pacemaker(self.engine, self.cib, self.hosts, self.judge)
        self.attributes = Attributes(self)
        self.daemons: dict[str, Daemon] = {}
        self.lines: list[str] = []
        # Seconds between ticks, and between monitors: coarse while nothing is asked.
        self.tick, self.pause, self.report_delay = 1.0, 2.0, 0.05
        # How often the watch on the CIB sees a change only by its poll of each second.
        self.late = 0.1
        self.is_unlucky = False
        # Hosts on which no vm-stonithd runs: standby, stopped, dead.
        self.silent: set[str] = set()
        self._numbers = 0
        self._ids = 0
        # Numbers that a guest still waits for.
        self._waiting: dict[int, str] = {}
        self._arrived: dict[int, float] = {}
        self.cib.on_change.append(self._cib_changed)
        self.pacemaker.on_fenced = self._fenced
        self.pacemaker.on_back = self.boot

    def log(self, host: str, text: str) -> None:
        self.lines.append(f"{self.engine.now:9.3f} {host}: {text}")

    def run(self) -> None:
        """Raises BrokenError, and what the machine itself raises."""
        chance, between = self.engine.chance, self.engine.between
        if chance(0.35):
            self.silent = set(
                self.engine.random.sample(HOSTS, self.engine.random.choice([1, 1, 2]))
            )
        self._begin()
        self.cib.slow_writes = 0.1 if chance(0.3) else 0.0
        self.pacemaker.slow_meta_data = 0.4 if chance(0.3) else 0.05
        self.report_delay = 0.5 if chance(0.3) else 0.05
        self.pacemaker.slow_records = 0.3 if chance(0.3) else 0.0
        self.late = 0.6 if chance(0.4) else 0.1
        self.is_unlucky = chance(0.7)
        for host in HOSTS:
            self.hosts.ahead[host] = between(-2.0, 2.0)
        if chance(0.1):
            self.hosts.ahead["host2"] += self.engine.random.choice([-30.0, 30.0, 7.0])
        self.engine.run(self.engine.now + between(6.0, 8.0))
        self.tick, self.pause = 0.25, 1.4
        self._plan()
        self.engine.run(self.engine.now + ACTIVE_S)
        self._end()

    def _begin(self) -> None:
        for resource in GUESTS:
            home = self.engine.random.choice(HOSTS)
            for host in HOSTS:
                self.pacemaker.calls += 1
                rc = 0 if host == home else 7
                entry = Entry("start" if host == home else "monitor", rc, self.pacemaker.calls)
                self.pacemaker.entries[host, resource] = entry
            self.hosts.resume(self.hosts.create(home, resource))
            self.engine.spawn(self._monitor(resource))
        self.pacemaker.publish()
        for host in HOSTS:
            self.boot(host)

    def _plan(self) -> None:
        """What happens in this run."""
        for _ in range(self.engine.random.randint(1, 3)):
            self._plan_fence()
        host = partial(self.engine.random.choice, HOSTS)
        self._perhaps(0.4, 0.0, 6.0, self._stranger)
        self._perhaps(0.35, 0.0, 8.0, lambda: self._restart(host()))
        self._perhaps(0.15, 0.0, 8.0, lambda: self._stop_daemon(host(), 70.0))
        self._perhaps(0.15, 0.0, 8.0, lambda: self.pacemaker.lose(host()))
        self._perhaps(0.2, 0.0, 8.0, lambda: self._hang_attrd(host()))
        self._perhaps(0.1, 0.0, 8.0, self._person_deletes)
        self._perhaps(0.1, 0.0, 8.0, self._unmanage)
        if self.has_enemy:
            self.engine.later(self.engine.between(0.0, 6.0), lambda: Enemy(self).begin())
        self._perhaps(0.3, 0.0, 6.0, lambda: self._lose_files(host()))

    def _plan_fence(self) -> None:
        """One guest asks for another, and what may happen at that moment."""
        e = self.engine
        requester, target, other = e.random.sample(GUESTS, 3)
        at = e.between(0.0, 6.0)
        e.later(at, lambda: self._ask(requester, target))
        self._perhaps(0.2, at, at, lambda: self._ask(requester, other))
        self._perhaps(0.3, at, at + 0.1, lambda: self._ask(target, requester))
        early, late = e.random.choice([(-3.0, 1.0), (-0.3, 0.3)])
        self._perhaps(0.4, at + early, at + late, lambda: self.pacemaker.migrate(target))
        self._perhaps(0.25, at - 0.2, at + 0.5, lambda: self._crash(target))
        self._perhaps(0.15, at - 1.0, at + 0.5, lambda: self.pacemaker.refresh(target))
        self._perhaps(0.25, at - 2.0, at, lambda: self._edit(target))
        self._perhaps(0.2, at, at + 2.0, lambda: self.pacemaker.migrate(requester))
        self._perhaps(0.3, at - 0.2, at + 0.5, lambda: self._stop_daemon(e.random.choice(HOSTS)))
        self._perhaps(0.2, at, at + 2.0, self._person_deletes)

    def _perhaps(self, chance: float, early: float, late: float, what: Callable[[], None]) -> None:
        if self.engine.chance(chance):
            self.engine.later(max(0.0, self.engine.between(early, late)), what)

    def _end(self) -> None:
        """The world calms down; half of the time every vm-stonithd is dead by now (P3)."""
        self.tick, self.pause = 2.5, 6.0
        if self.engine.chance(0.5):
            for daemon in self.daemons.values():
                daemon.is_alive = False
        self._calm(QUIET_S)
        alone = [h for h in HOSTS if self.hosts.pending_stops[h] and not self._speaks(h)]
        if alone:
            # Nobody settles there: the pending stop is void in 5 minutes, and a monitor finds out.
            self.judge.count("left to a pending stop")
            self._calm(UNTOUCHED_S + 30.0)
        for resource in GUESTS:
            self.judge.at_the_end(self.hosts, resource)

    def _calm(self, seconds: float) -> None:
        for _ in range(15):
            self.engine.run(self.engine.now + seconds / 15)
            for resource in GUESTS:
                self.pacemaker.wake(resource)

    # --- what happens

    def _ask(self, requester: str, target: str) -> None:
        e = self.engine
        weights = (Operation.RESET,) * 6 + (Operation.OFF, Operation.STATUS, Operation.ON)
        self._ids += 1
        hash_ = f"{self._ids:016x}"
        deadline = e.now + (e.between(60.0, 90.0) if e.chance(0.15) else e.between(6.0, 15.0))
        e.spawn(self._send(requester, target, e.random.choice(weights), hash_, deadline))

    def _send(
        self, requester: str, target: str, operation: Operation, hash_: str, deadline: float
    ) -> Process:
        """The plugin in the guest: sends, and sends again when its host does not know of it."""
        born = next((q.born for q in self.hosts.running(requester)), None)
        number = 0
        home: tuple[str, Daemon | None] = ("", None)
        while self.engine.now < deadline:
            if number and number not in self._waiting:
                # The answer was lost. Nobody resends before `done` has reached every host: a
                # guest that is moved and asks again within attrd's delay is fenced for twice.
                yield self.report_delay + 0.1
            mine = [q for q in self.hosts.running(requester) if q.born == born]
            if not mine:
                return
            here = (mine[0].host, self.daemons.get(mine[0].host))
            if number not in self._waiting or here != home:
                if number and number not in self._waiting and self.engine.chance(0.7):
                    return
                home = here
                number = self.number()
                sender = Sender(requester, mine[0].life)
                left = deadline - self.engine.now
                uuid = self.hosts.uuid(target)
                request = Request(number, operation, requester, hash_, target, uuid, left, sender)
                self.judge.senders[requester, hash_, target] = mine[0].born
                self.deliver(mine[0].host, request)
            yield 0.5

    def number(self) -> int:
        """Of a request, as a host's vm-stonithd gives it."""
        self._numbers += 1
        return self._numbers

    def deliver(self, host: str, request: Request) -> None:
        daemon = self.daemons.get(host)
        if daemon is None or not daemon.lives():
            return
        self._waiting[request.number] = host
        self._arrived[request.number] = self.engine.now
        daemon.requests[request.number] = request
        deadline = self.engine.now + request.seconds

        def late() -> None:
            is_awake = daemon.stopped_until < deadline - request.seconds
            if request.number in daemon.requests and daemon.lives() and is_awake:
                raise BrokenError(f"P6: no answer to {request}")

        self.engine.later(deadline - self.engine.now, late)
        daemon.tell(events.Arrived(request))
        daemon.nudge()
        daemon.tick_soon()

    def answered(self, request: Request, text: str, ban_id: str) -> None:
        self.log("guest", f"{request.operation.value} {request.target}: {text}")
        host = self._waiting.pop(request.number, "")
        arrived = self._arrived.pop(request.number, self.engine.now)
        if text == "OK" and request.operation.is_fence and self.silent & self.cib.head.members:
            self.judge.count("OK with a silent host")
        if request.operation is Operation.ON and text == "OK":
            self.judge.held_off.discard(request.target)
        self.judge.answer(self.hosts, request, Given(text, ban_id, host, arrived))

    def about_to_ban(self, resource: str) -> None:
        """The worst moment: a migration begins as the ban is written, its source's host sleeps."""
        if self.is_unlucky:
            self.pacemaker.migrate(resource)
            for qemu in self.hosts.running(resource):
                if self.engine.chance(0.8):
                    self._stop_daemon(qemu.host, 0.9)

    def _fenced(self, host: str) -> None:
        self.attributes.forget(host)
        self.judge.forget(host)

    def _crash(self, resource: str) -> None:
        for qemu in self.hosts.running(resource):
            self.hosts.end(qemu, "crash")

    def _stranger(self) -> None:
        self.pacemaker.stranger_until = self.engine.now + self.engine.between(1.0, 12.0)

    def _speaks(self, host: str) -> bool:
        return host in self.daemons and self.daemons[host].is_alive

    def _stop_daemon(self, host: str, longest: float = 5.0) -> None:
        """SIGSTOP; it wakes up late."""
        if self._speaks(host):
            self.daemons[host].stopped_until = self.engine.now + self.engine.between(0.3, longest)

    def _hang_attrd(self, host: str) -> None:
        until = self.engine.now + self.engine.between(0.5, 15.0)
        self.attributes.hangs_until[host] = until
        self.engine.later(until - self.engine.now, lambda: self.reports_changed(host))

    def _lose_files(self, host: str) -> None:
        """Its /run is read-only for a while."""
        self.hosts.read_only.add(host)
        self.engine.later(self.engine.between(0.5, 20.0), lambda: self.hosts.end_read_only(host))

    def _restart(self, host: str) -> None:
        if not self._speaks(host):
            return
        self.daemons[host].is_alive = False
        self.hosts.forget_unwritten(host)
        if self.engine.chance(0.7):
            self.engine.later(self.engine.between(0.2, 4.0), lambda: self.boot(host))

    def _person_deletes(self) -> None:
        """crm configure delete, a pushed configuration: the ban goes whatever is recorded."""

        def change(view: View) -> View:
            new = view._replace(bans={})
            self.judge.changed(self.hosts, view, new, by_rule=False)
            return new

        self.cib.change(change)

    def _unmanage(self) -> None:
        resource = self.engine.random.choice(GUESTS)
        self._set_managed(resource, managed=False)
        self.engine.later(
            self.engine.between(1.0, 10.0), lambda: self._set_managed(resource, managed=True)
        )

    def _edit(self, resource: str) -> None:
        """The uuid in its definition, while it may run; now and then with a new name, and with
        what the hosts remember lost."""
        if resource in self.pacemaker.busy:
            return
        self.hosts.domain_uuids[resource] = f"{resource}-{self._draw()}"
        # Not behind a refresh: see Pacemaker.refresh.
        is_probed = all((host, resource) in self.pacemaker.entries for host in HOSTS)
        if self.engine.chance(0.5) and is_probed:
            self.hosts.renamed.add(resource)
            for host in HOSTS:
                self.hosts.records.pop((host, resource), None)

    def _set_managed(self, resource: str, *, managed: bool) -> None:
        def change(view: View) -> View:
            state = view.resources[resource]._replace(managed=managed)
            return view._replace(resources={**view.resources, resource: state})

        self.cib.change(change)
        self.pacemaker.wake(resource)

    def boot(self, host: str) -> None:
        if host not in self.cib.cut | self.silent:
            self.daemons[host] = Daemon(self, host, self.machine(host, self._draw, self.engine.now))

    # --- what the parts ask of the world

    def _draw(self) -> str:
        return f"{self.engine.random.getrandbits(64):016x}"

    def _monitor(self, resource: str) -> Process:
        while True:
            yield self.engine.between(0.6, 1.4) * self.pause
            state = self.cib.head.resources[resource]
            if state.managed:
                self.pacemaker.monitor(resource)

    def _cib_changed(self, host: str) -> None:
        daemon = self.daemons.get(host)
        if daemon is not None:
            daemon.cib_changed()
        if host == min(self.cib.head.members, default=HOSTS[0]):
            for resource in GUESTS:
                self.pacemaker.wake(resource)

    def reports_changed(self, host: str) -> None:
        daemon = self.daemons.get(host)
        if daemon is not None:
            daemon.words_changed()

    def is_alive(self, sender: Sender) -> bool:
        return any(q.life == sender.life and q.runs for q in self.hosts.qemus)


def _first_view() -> View:
    return View(
        quorum=True,
        hosts=dict.fromkeys(HOSTS, Standing.OK),
        partition=frozenset(HOSTS),
        resources={guest: Resource(runs_on=()) for guest in GUESTS},
        bans={},
        histories={},
    )
