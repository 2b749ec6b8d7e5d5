# SPDX-License-Identifier: GPL-2.0-or-later
"""What is on the simulated hosts: QEMUs, pending stops, locks, clocks; and the agent's actions
there.

The actions follow FENCING's table "What everyone does": generators that yield their delays and
return the code that Pacemaker gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.process import Life
from tests.unit.vm_stonithd.simulation.engine import HOSTS

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.unit.vm_stonithd.simulation.engine import Cib, Engine
    from tests.unit.vm_stonithd.simulation.judge import Judge

    Action = Generator[float, None, int]

EPOCH = 1_795_000_000.0

# vm-stonithd reads its pending stops each second, and writes what it could not write before.
CATCHES_UP_S = 1.5


class Qemu:
    """runs: its CPUs have run; a paused one is nobody's life. born: of the guest, kept in moves.
    uuid: as its definition had it when the guest began. ordered: when its start was written down as
    under way, before the agent was called."""

    def __init__(self, resource: str, host: str, life: Life, born: float, uuid: str) -> None:
        self.resource, self.host, self.life, self.born = resource, host, life, born
        self.uuid = uuid
        self.ordered = born
        self.runs = False
        self.is_incoming = False
        self.is_dead = False


class Hosts:
    """The four things that outlive a vm-stonithd."""

    def __init__(self, engine: Engine, cib: Cib, judge: Judge) -> None:
        self.engine, self.cib, self.judge = engine, cib, judge
        self.qemus: list[Qemu] = []
        self.pending_stops: dict[str, dict[str, PendingStop]] = {host: {} for host in HOSTS}
        self.locks: set[tuple[str, str]] = set()
        # Hosts on which no file of ours can be written or removed.
        self.read_only: set[str] = set()
        # Hosts whose vm-stonithd has ended with what it could not write.
        self._forgetful: set[str] = set()
        # By host: when its /run could be written again.
        self._writable_since: dict[str, float] = {}
        self.ahead = dict.fromkeys(HOSTS, 0.0)
        self._pids = 100
        # When the operation of a resource that a host has under way was written down.
        self.orders: dict[tuple[str, str], float] = {}
        # How the last QEMU of a resource ended on a host.
        self.ends: dict[tuple[str, str], str] = {}
        self.last_end: dict[str, str] = {}
        # The uuid in each definition; what each host remembers of its guests.
        self.domain_uuids: dict[str, str] = {}
        self.records: dict[tuple[str, str], Qemu] = {}
        # Resources whose domain was renamed: its QEMU is not found by its name.
        self.renamed: set[str] = set()

    def wall(self, host: str) -> float:
        return EPOCH + self.engine.now + self.ahead[host]

    def living(self, host: str, resource: str) -> list[Qemu]:
        return [q for q in self.qemus if q.host == host and q.resource == resource]

    def running(self, resource: str) -> list[Qemu]:
        return [q for q in self.qemus if q.resource == resource and q.runs]

    def uuid(self, resource: str) -> str:
        """In its definition, on all hosts."""
        return self.domain_uuids.get(resource, resource)

    def create(self, host: str, resource: str, moved: Qemu | None = None) -> Qemu:
        self._pids += 1
        now = self.engine.now
        born, uuid = (moved.born, moved.uuid) if moved else (now, self.uuid(resource))
        qemu = Qemu(resource, host, Life(self._pids, int(now * 100)), born, uuid)
        qemu.ordered = moved.ordered if moved else self.orders.get((host, resource), now)
        self.qemus.append(qemu)
        if moved is None:
            self.renamed.discard(resource)
        # How an earlier life ended there explains nothing any more.
        self.ends.pop((host, resource), None)
        return qemu

    def resume(self, qemu: Qemu) -> None:
        qemu.runs = True
        self.records[qemu.host, qemu.resource] = qemu
        self.judge.began(self, qemu)

    def end(self, qemu: Qemu, how: str) -> None:
        if not qemu.is_dead:
            qemu.is_dead = True
            self.qemus.remove(qemu)
            self.ends[qemu.host, qemu.resource] = how
            if how != "shell":
                self.last_end[qemu.resource] = how

    def is_banned(self, host: str, resource: str) -> bool:
        ban = self.cib.local(host).bans.get(resource)
        return ban is not None and ban.is_live(self.wall(host))

    def owe(self, host: str, resource: str, life: Life | None) -> None:
        if host in self.read_only:
            return
        ban = self.cib.local(host).bans.get(resource)
        known = self.pending_stops[host].get(resource)
        ban_id = ban.id if ban else known.ban_id if known else "?"
        self.pending_stops[host][resource] = PendingStop(ban_id, resource, life, self.engine.now)

    def forget_pending_stop(self, host: str, resource: str) -> None:
        if host not in self.read_only:
            self.pending_stops[host].pop(resource, None)

    def has_pending_stop(self, host: str, resource: str) -> bool:
        pending_stop = self.pending_stops[host].get(resource)
        lives = [q.life for q in self.living(host, resource)]
        return pending_stop is not None and not pending_stop.is_void(lives, self.engine.now)

    def difference(self, host: str, resource: str, uuid: str) -> str:
        """What says there that the domain has another uuid."""
        if self.uuid(resource) != uuid:
            return "its definition"
        remembered = self.records.get((host, resource))
        others = [q for q in self.living(host, resource) if q.uuid != uuid]
        is_known = remembered in others or resource not in self.renamed
        return "its guest" if others and is_known else ""

    def remembers(self, host: str, resource: str, uuid: str) -> bool:
        remembered = self.records.get((host, resource))
        return remembered is not None and remembered.uuid == uuid

    # --- VirtualDomain

    def start(self, host: str, resource: str) -> Action:
        lock, e = (host, resource), self.engine
        while lock in self.locks:
            yield 0.1
        self.locks.add(lock)
        try:
            may_begin = yield from self._may_begin(host, resource)
            if not may_begin:
                return 0
            self.forget_pending_stop(host, resource)
            yield e.between(0.02, 0.5)
            # What is about to be created is written down first.
            is_barred = yield from self._wait_for_files(host, resource)
            if is_barred or resource in self.pending_stops[host]:
                return 0
            for old in self.living(host, resource):
                self.end(old, "shell")
            qemu = self.create(host, resource)
            yield e.between(0.01, 0.2)
            if self._is_fenced(host, resource):
                self.owe(host, resource, qemu.life)
                self.end(qemu, "fence")
                return 0
            yield 0.01
            if qemu.is_dead:
                return 0 if self._is_fenced(host, resource) else 1
            self.resume(qemu)
        finally:
            self.locks.discard(lock)
        return 0

    def _may_begin(self, host: str, resource: str) -> Generator[float, None, bool]:
        while self.is_banned(host, resource):
            if host not in self.read_only:
                self.owe(host, resource, None)
                return False
            # Without a pending stop it must be sure that the ban is not on its way out.
            yield 1.0
            if self.is_banned(host, resource):
                return False
        is_barred = yield from self._wait_for_files(host, resource)
        return not is_barred

    def _is_fenced(self, host: str, resource: str) -> bool:
        return self.is_banned(host, resource) or resource in self.pending_stops[host]

    def _wait_for_files(self, host: str, resource: str) -> Generator[float, None, bool]:
        """Until they can be written, or there is a ban: whether there is one."""
        while host in self.read_only:
            if self.is_banned(host, resource):
                return True
            yield 0.5
        return False

    def stop(self, host: str, resource: str) -> Action:
        patience = self.engine.now + self.engine.between(0.1, 3.0)
        while self.living(host, resource) and self.engine.now < patience:
            if self._is_fenced(host, resource):
                break
            yield 0.2
        for qemu in self.living(host, resource):
            self.end(qemu, "stop")
        yield 0.02
        self.forget_pending_stop(host, resource)
        return 0

    def end_read_only(self, host: str) -> None:
        self.read_only.discard(host)
        self._writable_since[host] = self.engine.now

    def forget_unwritten(self, host: str) -> None:
        """Its vm-stonithd ends."""
        if self.lacks_files(host):
            self._forgetful.add(host)

    def lacks_files(self, host: str) -> bool:
        """Whether its vm-stonithd may keep a pending stop in memory alone: while nothing can be
        written, and until it has read its pending stops once more. Or may have forgotten one so."""
        since = self._writable_since.get(host, float("-inf"))
        is_late = host in self.read_only or self.engine.now - since < CATCHES_UP_S
        return is_late or host in self._forgetful

    def is_fenced(self, host: str, resource: str, operation: str) -> bool:
        """Whether a fence was what ended it last, for a migrate_from on whatever host."""
        here = self.ends.get((host, resource))
        return (self.last_end.get(resource) if operation == "migrate_from" else here) == "fence"

    def migrate_to(self, source: str, target: str, resource: str) -> Action:
        before = self.pending_stops[source].get(resource)
        guests = [q for q in self.living(source, resource) if q.runs]
        job = {"state": "runs"}
        is_owed = before is not None and any(before.is_for(guest.life) for guest in guests)
        if is_owed or (not guests and self.has_pending_stop(source, resource)):
            # Dead before it began, or about to be, by a ban that went too early: an error would
            # fence the host.
            return 0
        if guests and not self.is_banned(source, resource):
            self.engine.spawn(self._move(guests[0], target, job))
        else:
            job["state"] = "failed"
        while True:
            pending_stop = self.pending_stops[source].get(resource)
            if self.is_banned(source, resource) or (
                pending_stop is not None and pending_stop != before
            ):
                self.owe(source, resource, guests[0].life if guests else None)
                return 0
            if job["state"] != "runs":
                return 0 if job["state"] == "done" else 1
            yield self.engine.between(0.1, 1.0)

    def _move(self, guest: Qemu, target: str, job: dict[str, str]) -> Generator[float, None, None]:
        """libvirt's job, which nobody's death but QEMU's ends."""
        e = self.engine
        yield e.between(*e.random.choice([(0.02, 0.5), (0.1, 0.3)]))
        incoming = self.create(target, guest.resource, guest)
        incoming.is_incoming = True
        for _ in range(e.random.randint(1, e.random.choice([2, 2, 30]))):
            yield 0.1
            if guest.is_dead or incoming.is_dead or {guest.host, target} & self.cib.cut:
                self.end(incoming, "fence")
                job["state"] = "failed"
                return
        self.resume(incoming)
        self.end(guest, "moved")
        job["state"] = "done"

    def migrate_from(self, target: str, resource: str) -> Action:
        lives = [q.life for q in self.living(target, resource)]
        before = self.pending_stops[target].get(resource)
        if before is not None and not before.is_void(lives, self.engine.now):
            before = None
        for _ in range(10):
            if any(qemu.runs for qemu in self.living(target, resource)):
                return 0
            pending_stop = self.pending_stops[target].get(resource)
            if self.is_banned(target, resource) or (
                pending_stop is not None and pending_stop != before
            ):
                self.owe(target, resource, None)
                return 0
            yield 0.3
        return 1

    def probe(self, host: str, resource: str) -> Action:
        """Tells the truth, pending stop or not; an abandoned create that a killed start left is no
        guest."""
        yield self.engine.between(0.02, 0.3)
        for qemu in self.living(host, resource):
            if not qemu.runs and (host, resource) not in self.locks and not qemu.is_incoming:
                self.end(qemu, "shell")
        return 0 if self.living(host, resource) else 7

    def monitor(self, host: str, resource: str) -> int:
        if self.living(host, resource):
            return 0
        return 0 if self.has_pending_stop(host, resource) or self.is_banned(host, resource) else 7
