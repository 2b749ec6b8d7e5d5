# SPDX-License-Identifier: GPL-2.0-or-later
"""The effects of one simulated host's vm-stonithd, each with its delays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_stonithd.cluster.cib_writes import CreateBans
from daemons.vm_stonithd.machine.outbox import Outbox
from daemons.vm_stonithd.model import actions, events, rest
from daemons.vm_stonithd.model.events import Doubt, Outcome
from daemons.vm_stonithd.model.host_report import HostReport, Objection, encode
from daemons.vm_stonithd.model.invariants import known
from tests.unit.vm_stonithd.simulation import guards
from tests.unit.vm_stonithd.simulation.engine import HOSTS
from tests.unit.vm_stonithd.simulation.pending_stops import PendingStopFiles

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from daemons.vm_stonithd.machine.machine import Machine
    from daemons.vm_stonithd.model.facts import Request, View
    from pmkvm.fencing.record import Record
    from tests.unit.vm_stonithd.simulation.world import World

    Process = Generator[float, None, None]


class Daemon:
    """A machine and the hands that do what it wants. A restart makes a new one."""

    def __init__(self, world: World, host: str, machine: Machine) -> None:
        self.world, self.host, self.machine = world, host, machine
        self.is_alive = True
        self.requests: dict[int, Request] = {}
        self.boot = world.pacemaker.boots[host]
        self._reads = False
        self._heard_at = 0.0
        self._known: View | None = None
        self._seen_at = 0.0
        self.stopped_until = 0.0
        self._outbox = Outbox()
        self._is_speaking = False
        self.pending_stop_files = PendingStopFiles(world, host)
        self.records: list[Record] = []
        world.engine.spawn(self._tick(), self.lives)
        self._seen()
        self.read_reports()

    def lives(self) -> bool:
        return self.is_alive and self.world.pacemaker.boots[self.host] == self.boot

    def tell(self, event: events.Event) -> None:
        if not self.lives():
            return
        world = self.world
        if world.engine.now < self.stopped_until:
            # SIGSTOP: what was read is acted on when it wakes up.
            world.engine.later(self.stopped_until - world.engine.now, lambda: self.tell(event))
            return
        rested = self.may_rest()
        wanted = self.machine.step(event, world.engine.now, world.hosts.wall(self.host))
        if rested and not self.may_rest():
            self.read_reports()
        for action in world.together(wanted):
            if isinstance(action, CreateBans):
                self._create_soon(action.wanted)
            else:
                self._do(action)

    def is_idle(self) -> bool:
        """The watch asks for the bans alone, and for the whole every ten seconds."""
        has_bans = self._known is None or self._known.bans or self.world.cib.local(self.host).bans
        has_work = self.requests or self.pending_stop_files.read() or not self.machine.is_idle
        return not (has_bans or has_work or self.world.engine.now - self._seen_at > 10.0)

    def cib_changed(self) -> None:
        """inotify as a rule, else the poll of each second; of histories no file tells."""
        if self.is_idle():
            return
        late = self.world.engine.chance(self.world.late)
        self._after(self.world.engine.between(0.005, 1.0 if late else 0.05), self._seen)

    def words_changed(self) -> None:
        """Nothing tells a daemon so: one that rests finds out at its next reading."""
        if not self.may_rest():
            self.read_reports()

    def may_rest(self) -> bool:
        return self.world.rests and not self.requests and self.machine.may_rest

    def read_reports(self) -> None:
        """One reading at a time; what it tells is as old as its beginning."""
        hangs = self.world.attributes.hangs(self.host)
        if self._reads or hangs:
            return
        self._reads, self._heard_at = True, self.world.engine.now
        began = self.world.engine.now + self.world.engine.between(0.0, 0.03)
        found: dict[str, HostReport] = {}

        def read() -> None:
            found.update(self.world.attributes.read(self.host))

        def told() -> None:
            self._reads = False
            self.tell(events.ReportsSeen(found, began))

        self._after(began - self.world.engine.now, read)
        self._after(began - self.world.engine.now + 0.015, told)

    def _tick(self) -> Process:
        count = 0
        while True:
            self.tell(events.Tick())
            count += 1
            if count % 4 == 0 or self.world.tick >= 1.0:
                if not self.is_idle():
                    self._seen()
                pause_s = rest.HEAR_S if self.may_rest() else 0.0
                if self.world.engine.now - self._heard_at >= pause_s:
                    self.read_reports()
            # What a request waits for is not calm.
            yield 0.25 if self.requests else self.world.tick

    def _seen(self, ticket: int = 0) -> None:
        self._known, self._seen_at = self._view(), self.world.engine.now
        self.tell(events.CibSeen(self._known, ticket, self._seen_at))

    def tick_soon(self) -> None:
        """As the real one, which never has more than 0.2 s between two; here that is coarser."""
        for seconds in (0.2, 0.4, 0.6):
            self._after(seconds, lambda: self.tell(events.Tick()))

    def nudge(self) -> None:
        """Somebody asks."""
        self._soon(self._seen)

    def _view(self) -> View:
        cut, cib = self.world.cib.cut, self.world.cib
        view = cib.local(self.host)
        together = frozenset([self.host]) if self.host in cut else frozenset(HOSTS) - cut
        if self.world.engine.now < cib.blocked_until:
            together = frozenset(HOSTS)
        return view._replace(partition=together & set(view.hosts))

    def _after(self, delay: float, act: object) -> None:
        assert callable(act)
        self.world.engine.later(delay, lambda: act() if self.lives() else None)

    def _soon(self, act: object) -> None:
        self._after(self.world.engine.between(0.003, 0.03), act)

    def _do(self, action: actions.Action) -> None:
        if isinstance(action, (actions.Say, actions.Answer)):
            self._tell_others(action)
        elif isinstance(action, actions.Forget):
            self.requests.pop(action.number)
        elif isinstance(action, (actions.Log, actions.KillHelpers)):
            self.world.log(self.host, getattr(action, "text", "helpers are killed"))
        elif isinstance(action, actions.WriteRecord):
            self.records.append(action.record)
        elif isinstance(action, actions.Kill):
            self.world.engine.spawn(self._kill(action), self.lives)
        elif isinstance(
            action, (actions.WritePendingStop, actions.TouchPendingStop, actions.RemovePendingStop)
        ):
            self.pending_stop_files.change(action)
        elif isinstance(action, (actions.Look, actions.ReadCib, actions.ReadPendingStops)):
            self._read(action)
        else:
            self._soon(lambda: self._write(action))

    def _read(self, action: actions.Look | actions.ReadCib | actions.ReadPendingStops) -> None:
        if isinstance(action, actions.Look):
            self.world.engine.spawn(self._look(action), self.lives)
        elif isinstance(action, actions.ReadCib):
            self._soon(lambda: self._seen(action.ticket))
        else:
            read = self.pending_stop_files.read
            self._soon(lambda: self.tell(events.PendingStopsSeen(action.ticket, read())))

    def _tell_others(self, action: actions.Say | actions.Answer) -> None:
        if isinstance(action, actions.Answer):
            self._outbox.hold(action)
            self._release()
            self._after(max(0.0, action.by - self.world.engine.now), self._release)
            return
        self._outbox.say(action.report)
        if not self._is_speaking:
            self._is_speaking = True
            self.world.engine.spawn(self._speak(), self.lives)

    def _speak(self) -> Process:
        """The newest words; nothing but answers waits for attrd to take them."""
        while not self._outbox.is_taken(self._outbox.number):
            yield from self._hands(0.02)
            while self.world.attributes.hangs(self.host):
                yield self.world.attributes.hangs(self.host)
            number, report = self._outbox.number, self._outbox.report
            self.world.attributes.write(self.host, encode(known(report)))
            self._outbox.take(number)
            self._release()
        self._is_speaking = False

    def _release(self) -> None:
        if self.world.engine.now < self.stopped_until:
            self._after(self.stopped_until - self.world.engine.now, self._release)
            return
        for answer in self._outbox.due(self.world.engine.now):
            self._answer(answer)

    def _answer(self, action: actions.Answer) -> None:
        request = self.requests.pop(action.number)
        key = (request.requester, request.hash, request.target)
        said = () if self._outbox.report is None else self._outbox.report.done
        ids = [d.ban_id for d in said if (d.requester, d.request, d.target) == key]
        self.world.answered(request, action.text, ids[-1] if ids else "-")

    def _look(self, action: actions.Look) -> Process:
        yield from self._hands(0.02)
        hosts, resource, uuid = self.world.hosts, action.resource, action.uuid
        lives = tuple(q.life for q in hosts.living(self.host, resource) if q.uuid == uuid)
        locked = (self.host, resource) in hosts.locks
        why = hosts.difference(self.host, resource, uuid)
        doubt = Doubt(Objection.DIFFERS, why) if why else None
        is_remembered = hosts.remembers(self.host, resource, uuid)
        yield self.world.engine.between(0.0, 0.02)
        self.tell(events.Looked(action.ticket, lives, locked, doubt, is_remembered))

    def _hands(self, longest: float) -> Process:
        """The time of one step; a stopped daemon does none."""
        yield self.world.engine.between(0.0, longest)
        while self.world.engine.now < self.stopped_until:
            yield self.stopped_until - self.world.engine.now

    def _kill(self, action: actions.Kill) -> Process:
        hosts, engine = self.world.hosts, self.world.engine
        yield from self._hands(0.02)
        held = [q for q in hosts.living(self.host, action.ban.resource) if q.life in action.lives]
        yield from self._hands(0.02)
        ban = self.world.cib.local(self.host).bans.get(action.ban.resource)
        is_there = ban is not None and ban.id == action.ban.id
        if ban is not None and is_there and ban.is_live(hosts.wall(self.host)) and held:
            self.pending_stop_files.owe(action.ban.resource, action.pending_stop)
            yield from self._hands(0.002)
            for qemu in held:
                self.world.judge.killed(ban, qemu)
                engine.later(engine.between(0.001, 0.3), partial(hosts.end, qemu, "fence"))
        self.tell(events.Killed(action.ticket))

    def _create_soon(self, wanted: tuple[actions.CreateBan, ...]) -> None:
        for each in wanted:
            self.world.about_to_ban(each.ban.resource)
        self._soon(lambda: self._create(wanted))

    def _create(self, wanted: tuple[actions.CreateBan, ...]) -> None:
        """All of them or none; then each by itself."""
        alive = tuple(each for each in wanted if self.world.is_alive(each.sender))
        self._written([one for one in wanted if one not in alive], Outcome.SENDER_GONE)

        def change(view: View) -> View | None:
            new = guards.create(alive, view)
            if new is not None:
                self.world.judge.changed(self.world.hosts, view, new, by_rule=True)
            return new

        def done(outcome: Outcome) -> None:
            if outcome is not Outcome.NOT_MATCHED or len(alive) == 1:
                self._written(alive, outcome)
                return
            for each in alive:
                self._create((each,))

        if alive:
            self.world.cib.write(self.host, change, done)

    def _written(self, wanted: Iterable[actions.CreateBan], outcome: Outcome) -> None:
        for each in wanted:
            self.tell(events.Written(each.ticket, outcome))

    def _write(self, action: actions.Action) -> None:
        ticket: int = action.ticket  # type: ignore[union-attr]
        sender = getattr(action, "sender", None)
        if sender is not None and not self.world.is_alive(sender):
            self.tell(events.Written(ticket, Outcome.SENDER_GONE))
            return

        def done(outcome: Outcome) -> None:
            if isinstance(action, actions.RemoveBan) and outcome is Outcome.NOT_MATCHED:
                outcome = Outcome.DONE
            self.tell(events.Written(ticket, outcome))

        def change(view: View) -> View | None:
            new = guards.apply(action, self.host, view)
            if isinstance(action, actions.ForgetHistory):
                self.world.pacemaker.forget(action.host, action.resource)
            if new is not None:
                self.world.judge.changed(self.world.hosts, view, new, by_rule=True)
            return new

        self.world.cib.write(self.host, change, done)
