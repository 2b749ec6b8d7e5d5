# SPDX-License-Identifier: GPL-2.0-or-later
"""A model of Pacemaker: it acts in its own time, records what came of it, and believes its record.

Between its decision and the agent's start lies the agent's meta-data (up to 3 s), with nothing of
it in the CIB; another resource's long action holds back every new decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, NamedTuple

from daemons.vm_stonithd.model.facts import History, Standing
from tests.unit.vm_stonithd.simulation.engine import HOSTS

if TYPE_CHECKING:
    from collections.abc import Generator

    from daemons.vm_stonithd.model.facts import View
    from tests.unit.vm_stonithd.simulation.engine import Cib, Engine
    from tests.unit.vm_stonithd.simulation.hosts import Action, Hosts
    from tests.unit.vm_stonithd.simulation.judge import Judge


class Entry(NamedTuple):
    """An lrm_resource: _last_0, migrate_from and migrate_to with their call ids.

    operation "": there is no _last_0. pending: what is under way, empty if nothing is.
    """

    operation: str = "monitor"
    rc: int = 7
    call: int = 1
    came: int = 0
    left: int = 0
    pending: str = ""

    @property
    def is_active(self) -> bool:
        if self.came > self.call:
            return True
        return self.rc == 0 if self.operation in ("start", "monitor") else self.rc != 0

    @property
    def _is_leaving(self) -> bool:
        """One that is under way is later than all that have a result."""
        if self.pending:
            return self.pending == "migrate_to"
        return self.left > max(self.call, self.came)

    def history(self) -> History:
        closed = not self.pending and self.came <= self.call
        probed = self.operation == "monitor" and self.rc == 7
        stopped = self.operation == "stop"
        return History(
            closed and (probed or (stopped and self.rc == 0)),
            closed and (probed or stopped),
            bool(self.pending),
            max(self.call, self.came, self.left),
            self._is_leaving,
            f"{self.operation} {self.rc} {self.call} {self.pending}" if self.operation else "",
            self.is_active and (bool(self.pending) or self.left <= max(self.call, self.came)),
        )


class Pacemaker:
    """One cluster-wide mind; one transition a resource."""

    def __init__(self, engine: Engine, cib: Cib, hosts: Hosts, judge: Judge) -> None:
        self.engine, self.cib, self.hosts, self.judge = engine, cib, hosts, judge
        self.entries: dict[tuple[str, str], Entry] = {}
        self.busy: dict[str, str] = {}
        self.failed: set[str] = set()
        self.stranger_until = 0.0
        self.slow_meta_data = 0.0
        self.slow_records = 0.0
        self.calls = 1
        self.boots = dict.fromkeys(HOSTS, 0)
        self.on_fenced: Callable[[str], None] = lambda _host: None
        self.on_back: Callable[[str], None] = lambda _host: None

    def wake(self, resource: str) -> None:
        self.engine.later(self.engine.between(0.06, 0.15), lambda: self.decide(resource))

    def is_banned(self, resource: str) -> bool:
        ban = self.cib.head.bans.get(resource)
        dc = min(self.cib.head.members, default="host1")
        return ban is not None and ban.is_live(self.hosts.wall(dc))

    def decide(self, resource: str) -> None:
        view, engine = self.cib.head, self.engine
        state = view.resources[resource]
        if resource in self.busy or not state.managed:
            return
        if engine.now < self.stranger_until:
            engine.later(self.stranger_until - engine.now + 0.05, lambda: self.decide(resource))
            return
        unknown = [h for h in sorted(view.members) if (h, resource) not in self.entries]
        if unknown:
            # Nothing else is done with a resource before that.
            self._begin(resource, self._each(unknown, resource, "monitor", self.hosts.probe))
            return
        active = [h for h in sorted(view.members) if self.entry(h, resource).is_active]
        is_wanted = state.target_role == "Started" and not self.is_banned(resource)
        if active and (not is_wanted or len(active) > 1 or resource in self.failed):
            self.failed.discard(resource)
            self._begin(resource, self._each(active, resource, "stop", self.hosts.stop))
        elif is_wanted and not active and not self._is_unclean(view, resource):
            host = engine.random.choice(sorted(view.members))
            self._begin(resource, self._each([host], resource, "start", self.hosts.start))

    def migrate(self, resource: str) -> None:
        view = self.cib.head
        active = [h for h in sorted(view.members) if self.entry(h, resource).is_active]
        others = sorted(view.members - set(active))
        is_free = resource not in self.busy and self.engine.now >= self.stranger_until
        # Known: in a migration nothing tells of a guest that no host knows any more.
        is_free = is_free and resource not in self.hosts.renamed
        if len(active) == 1 and others and is_free and not self.is_banned(resource):
            self._begin(resource, self._migrate(active[0], others[0], resource))

    def monitor(self, resource: str) -> None:
        """The recurring one, while no action is under way."""
        for host in sorted(self.cib.head.members - self.cib.cut):
            is_due = self.entry(host, resource).is_active and resource not in self.busy
            if is_due and self.hosts.monitor(host, resource) != 0:
                is_fenced = self.hosts.is_fenced(host, resource, "monitor")
                self.judge.failed(self.hosts, host, resource, "monitor", is_fenced=is_fenced)
                self.failed.add(resource)
                self.decide(resource)

    def entry(self, host: str, resource: str) -> Entry:
        return self.entries.get((host, resource), Entry("", rc=0, call=0))

    def _is_unclean(self, view: View, resource: str) -> bool:
        """A lost host, or one that has not been probed."""
        return any(
            standing is Standing.OTHER
            or (standing is Standing.OK and (host, resource) not in self.entries)
            for host, standing in view.hosts.items()
        )

    def _begin(self, resource: str, transition: Generator[float, None, None]) -> None:
        def whole() -> Generator[float, None, None]:
            yield from transition
            self.busy.pop(resource, None)
            self.wake(resource)

        self.busy[resource] = "acting"
        self.engine.spawn(whole())

    def _act(self, host: str, resource: str, operation: str, action: Action) -> Action:
        """Meta-data, the pending entry, the agent, the record. -1: the host is lost."""
        boot = self.boots[host]
        is_slow = self.engine.chance(self.slow_meta_data)
        yield self.engine.between(0.0, 3.0 if is_slow else 0.05)
        if self.boots[host] != boot:
            return -1
        self._note(host, resource, self.entry(host, resource)._replace(pending=operation))
        self.hosts.orders[host, resource] = self.engine.now
        yield self.engine.between(0.0, 0.02)
        rc = -1
        while self.boots[host] == boot:
            try:
                delay = next(action)
            except StopIteration as stop:
                rc = stop.value
                break
            yield delay
        action.close()
        is_fenced = self.hosts.is_fenced(host, resource, operation)
        # The record reaches the CIB a moment after the agent has ended.
        is_late = self.engine.chance(self.slow_records)
        yield self.engine.between(0.01, 3.0 if is_late else 0.08)
        while host in self.cib.cut and self.boots[host] == boot:
            yield 0.2
        if self.boots[host] != boot:
            return -1
        self.calls += 1
        self._note(host, resource, self._after(self.entry(host, resource), operation, rc))
        if rc != 0 and operation != "monitor":
            self.judge.failed(self.hosts, host, resource, operation, is_fenced=is_fenced)
        return rc

    def _after(self, entry: Entry, operation: str, rc: int) -> Entry:
        entry = entry._replace(pending="")
        if operation == "migrate_to":
            return entry._replace(left=self.calls)
        if operation == "migrate_from":
            return entry._replace(came=self.calls)
        return entry._replace(operation=operation, rc=rc, call=self.calls)

    def _each(
        self, hosts: list[str], resource: str, operation: str, agent: Callable[[str, str], Action]
    ) -> Generator[float, None, None]:
        for host in hosts:
            yield from self._act(host, resource, operation, agent(host, resource))

    def forget(self, host: str, resource: str) -> None:
        """Somebody deletes the entry; what is in flight is recorded all the same, later."""
        self.entries.pop((host, resource), None)
        self.wake(resource)

    def refresh(self, resource: str) -> None:
        """crm_resource --refresh: all hosts are probed anew."""
        if resource in self.hosts.renamed:
            # Known: where a probe takes more than 5 s nothing tells of a guest that no host knows.
            return
        for host in HOSTS:
            self.forget(host, resource)
        self.publish()

    def _migrate(self, source: str, target: str, resource: str) -> Generator[float, None, None]:
        job = self.hosts.migrate_to(source, target, resource)
        rc = yield from self._act(source, resource, "migrate_to", job)
        if rc == 0 and not self.is_banned(resource):
            arrival = self.hosts.migrate_from(target, resource)
            rc = yield from self._act(target, resource, "migrate_from", arrival)
        both = [source] if rc == 0 and not self.is_banned(resource) else [source, target]
        members = [h for h in both if h in self.cib.head.members]
        yield from self._each(members, resource, "stop", self.hosts.stop)

    def _note(self, host: str, resource: str, entry: Entry) -> None:
        self.entries[host, resource] = entry
        self.publish()

    def publish(self) -> None:
        """The head of the CIB as our entries have it."""

        def change(view: View) -> View:
            histories = {key: entry.history() for key, entry in self.entries.items()}
            resources = {
                name: state._replace(
                    runs_on=tuple(h for h in HOSTS if self.entry(h, name).is_active)
                )
                for name, state in view.resources.items()
            }
            return view._replace(histories=histories, resources=resources)

        self.cib.change(change)

    # --- hosts

    def lose(self, host: str) -> None:
        """Cut off: noticed after a while, then fenced, then back with nothing."""
        engine = self.engine
        self.cib.cut.add(host)
        self.cib.blocked_until = engine.now + engine.between(0.5, 3.0)
        noticed = self.cib.blocked_until - engine.now
        engine.later(noticed, lambda: self._stand(host, Standing.OTHER))
        fenced = noticed + engine.between(0.5, 4.0)
        engine.later(fenced, lambda: self._fenced(host))
        engine.later(fenced + engine.between(5.0, 12.0), lambda: self._back(host))

    def _stand(self, host: str, standing: Standing) -> None:
        self.cib.change(lambda view: view._replace(hosts={**view.hosts, host: standing}))
        for resource in self.cib.head.resources:
            self.wake(resource)

    def _fenced(self, host: str) -> None:
        self.boots[host] += 1
        for qemu in [q for q in self.hosts.qemus if q.host == host]:
            self.hosts.end(qemu, "host")
        self.hosts.pending_stops[host].clear()
        self.hosts.locks = {lock for lock in self.hosts.locks if lock[0] != host}
        self.entries = {key: e for key, e in self.entries.items() if key[0] != host}
        self.publish()
        self.on_fenced(host)
        self._stand(host, Standing.DOWN)

    def _back(self, host: str) -> None:
        self.cib.cut.discard(host)
        for resource in self.cib.head.resources:
            self.calls += 1
            self.entries[host, resource] = Entry(call=self.calls)
        self.publish()
        self._stand(host, Standing.OK)
        self.on_back(host)
