# SPDX-License-Identifier: GPL-2.0-or-later
"""Who sees all hosts at once, and says which promise was broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.machine.fence import MARGIN_S
from daemons.vm_stonithd.model.host_report import MOST_DONE
from pmkvm.fencing.ban import OFF, SETTLE
from pmkvm.fencing.pending_stop import UNTOUCHED_S
from pmkvm.fencing.role import STOPPED
from tests.unit.vm_stonithd.reasons import is_explained

if TYPE_CHECKING:
    from daemons.vm_stonithd.model.facts import Request, View
    from pmkvm.fencing.ban import Ban
    from tests.unit.vm_stonithd.simulation.hosts import Hosts, Qemu

Key = tuple[str, str, str]


class BrokenError(AssertionError):
    """A promise is broken in the simulated world."""


class Given(NamedTuple):
    """An answer: its text and ban, the host that gave it, and when its request had come there."""

    text: str
    ban_id: str
    host: str
    arrived: float


class Judge:
    """Keeps the evidence of a run."""

    def __init__(self) -> None:
        self.ran: dict[str, list[Qemu]] = {}
        # Bans of which an OK was said, and targets that an answered off holds down.
        self.proven: set[str] = set()
        self.held_off: set[str] = set()
        # The first answer to each request, and the hosts that remember one.
        self.answered: dict[Key, tuple[float, str]] = {}
        self._remember: dict[Key, set[str]] = {}
        # When each target's role was last written Started.
        self._switched_on: dict[str, float] = {}
        # Which life was killed for which requester's life.
        self.kills: set[tuple[str, float, str, float]] = set()
        self.senders: dict[Key, float] = {}
        # Targets whose ban a person has deleted.
        self.taken_by_hand: set[str] = set()
        self.tally: dict[str, int] = {}

    def count(self, what: str) -> None:
        self.tally[what] = self.tally.get(what, 0) + 1

    def changed(self, hosts: Hosts, old: View, new: View, *, by_rule: bool) -> None:
        """The CIB was written. by_rule: by a vm-stonithd, not by a person."""
        started = {r for r, state in new.resources.items() if state.target_role != STOPPED}
        self.held_off -= started
        for resource in started:
            if old.resources[resource].target_role == STOPPED:
                self._switched_on[resource] = hosts.engine.now
        for resource in {*old.bans, *new.bans}:
            before, after = old.bans.get(resource), new.bans.get(resource)
            if after is not None and (before is None or before.id != after.id):
                self.ran[after.id] = hosts.running(resource)
                self.count(f"ban {after.operation}")
            elif before is not None and after is None and by_rule:
                self._check_end(hosts, before, old)
            elif before is not None and after is None:
                self.taken_by_hand.add(resource)
                # Known: a start may be on its way that was decided on before the role was written.
                self.held_off.discard(resource)

    def _check_end(self, hosts: Hosts, ban: Ban, view: View) -> None:
        clocks = [hosts.wall(host) for host in view.hosts]
        if not view.is_recorded(ban.resource) and max(clocks) < ban.end + 15:
            raise BrokenError(f"End: {ban.value} was removed before the stop was recorded")

    def began(self, hosts: Hosts, qemu: Qemu) -> None:
        view = hosts.cib.head
        ban = view.bans.get(qemu.resource)
        # At the end of a lease clocks that agree within 10 s may differ about it.
        stands = ban is not None and all(hosts.wall(h) < ban.end - 10 for h in view.hosts)
        if stands and ban is not None and ban.id in self.proven:
            raise BrokenError(f"P1: {qemu.resource} began under the ban {ban.id} after an OK")
        if qemu.resource in self.held_off:
            raise BrokenError(f"P1: {qemu.resource} began after the OK of an off")

    def forget(self, host: str) -> None:
        """Known: what it has answered goes with it, and a request that comes again is a new one."""
        for key, remembering in self._remember.items():
            remembering.discard(host)
            if not remembering:
                self.answered.pop(key, None)

    def answer(self, hosts: Hosts, request: Request, given: Given) -> None:
        text, ban_id, host, arrived = given
        key = (request.requester, request.hash, request.target)
        self.count(f"{request.operation.value} {text.partition(' ')[0]}")
        if not is_explained(text):
            raise BrokenError(f"fencing.md has no row: {text}")
        if not request.operation.is_fence or request.seconds <= MARGIN_S:
            # Of which nothing is remembered, since nothing was done.
            return
        first = key not in self.answered
        self.answered.setdefault(key, (hosts.engine.now, text))
        self._remember.setdefault(key, set()).add(host)
        if text != "OK" or not first:
            return
        alive = [qemu for qemu in self.ran.get(ban_id, ()) if not qemu.is_dead]
        if alive:
            raise BrokenError(f"P1: OK while {request.target} lives on {alive[0].host}")
        ban = hosts.cib.head.bans.get(request.target)
        if ban is not None and ban.id == ban_id:
            self.proven.add(ban_id)
            if hosts.running(request.target):
                raise BrokenError(f"P1: OK while another {request.target} lives")
        is_stopped = hosts.cib.head.resources[request.target].target_role == STOPPED
        # An `on` that came while the off waited for its answer has undone it.
        is_undone = self._switched_on.get(request.target, arrived) > arrived
        if request.operation.value == OFF and is_stopped and not is_undone:
            self.held_off.add(request.target)

    def killed(self, ban: Ban, qemu: Qemu) -> None:
        if not qemu.runs:
            return
        self.count("kill")
        if ban.operation == SETTLE:
            raise BrokenError("a settle ban kills nothing")
        key = (ban.requester, ban.request, ban.resource)
        answered = self.answered.get(key)
        # Of one guest's answers that many are remembered.
        is_remembered = sum(1 for asked in self.answered if asked[0] == ban.requester) <= MOST_DONE
        if answered is not None and qemu.ordered > answered[0] and is_remembered:
            raise BrokenError(f"P2: {ban.value} was answered, and killed a new life")
        sender = self.senders.get(key, 0.0)
        self.kills.add((ban.resource, qemu.born, ban.requester, sender))
        # A person who takes a ban away lets its target's own request through.
        is_by_hand = ban.requester in self.taken_by_hand
        if (ban.requester, sender, ban.resource, qemu.born) in self.kills and not is_by_hand:
            raise BrokenError(f"P4: {ban.resource} and {ban.requester} killed each other")

    def failed(
        self, hosts: Hosts, host: str, resource: str, operation: str, *, is_fenced: bool
    ) -> None:
        """Pacemaker saw a failure: nobody's fault but a crash's. is_fenced: a fence had ended the
        guest when the agent said so, which Pacemaker may hear much later."""
        if operation == "migrate_from" and resource in self.taken_by_hand:
            # Known: deleted before the destination's daemon saw it, the ban leaves no pending stop
            # there.
            self.count("migrate_from without a pending stop")
            return
        if resource in self.taken_by_hand and hosts.lacks_files(host):
            # Known: neither ban nor file, until vm-stonithd settles what it keeps in memory.
            self.count(f"{operation} without a pending stop")
            return
        pending_stop = hosts.pending_stops[host].get(resource)
        if pending_stop is not None and hosts.engine.now - pending_stop.stamp >= UNTOUCHED_S:
            # A ban deleted by hand, and no vm-stonithd on that host: after 5 minutes it is void.
            self.count("forgotten pending stop")
            return
        if is_fenced:
            raise BrokenError(f"P5: a fence made {operation} of {resource} fail on {host}")
        self.count(f"failed {operation}")

    def at_the_end(self, hosts: Hosts, resource: str) -> None:
        state = hosts.cib.head.resources[resource]
        running = hosts.running(resource)
        if state.target_role == "Started" and state.managed and len(running) != 1:
            ban = hosts.cib.head.bans.get(resource)
            raise BrokenError(f"P3: {resource} lives {len(running)} times at the end; {ban}")
