# SPDX-License-Identifier: GPL-2.0-or-later
"""The fences that requests of this host's guests ask for: written, proven, answered, ended. Pure.

A request whose target is under a ban already joins it, here or as its new coordinator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine import proof
from daemons.vm_stonithd.machine.fence import Fence, Pending, Step, lease_end
from daemons.vm_stonithd.machine.orphaned_bans import OrphanedBans
from daemons.vm_stonithd.machine.silent_hosts import SilentHosts
from daemons.vm_stonithd.model import pace
from daemons.vm_stonithd.model.actions import CreateBan, RemoveBan, RewriteBan, SettleBan, SwitchOff
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.invariants import hold, known
from pmkvm.fencing.ban import LEASE_S, OFF, RENEWAL_S, RESET, SETTLE, Ban
from pmkvm.fencing.guard import Histories

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.pending_stops import Settlement
    from daemons.vm_stonithd.machine.replies import Replies
    from daemons.vm_stonithd.machine.state import State
    from daemons.vm_stonithd.model.events import Written
    from daemons.vm_stonithd.model.facts import View

RETRY_S = 0.2
MOST_DOUBLINGS = 4
# A joiner waits so long for the word of a ban that went.
DONE_S = 1.0


class Coordinator:
    """Every fence on this host's books. It renews and removes only what it owns."""

    def __init__(self, state: State, replies: Replies) -> None:
        self._state = state
        self._replies = replies
        self._silent_hosts = SilentHosts(state)
        self._fences: dict[str, Fence] = {}
        self._orphaned_bans = OrphanedBans(state)

    def add(self, pending: Pending) -> None:
        fence = self._fence(pending.request.target)
        fence.pending[pending.request.number] = pending
        # Whether the target is managed may be the word of 5 s ago.
        fence.read = self._state.read_cib()

    def _fence(self, resource: str) -> Fence:
        """The one on the books, or a new one."""
        return self._fences.setdefault(resource, Fence(resource, self._state.host))

    def quiet_s(self, now: float) -> float:
        return min((one.quiet_s(now) for one in self._fences.values()), default=pace.NOTHING)

    def overdue(self, now: float) -> bool:
        pending = (one for fence in self._fences.values() for one in fence.pending.values())
        return any(now > one.deadline for one in pending)

    def settle(self, due: Settlement) -> None:
        """A ban of one's own, to settle a pending stop."""
        view, resource, pending_stop = self._state.view, due.resource, due.pending_stop
        if resource in self._fences or view is None or not self._state.may_speak:
            return
        fence = self._fence(resource)
        ban_id, end = self._state.draw_id(), lease_end(self._state.wall)
        fence.ban = Ban(resource, SETTLE, ban_id, "", "", fence.host, pending_stop.uuid, end)
        fence.step = Step.WRITING
        fence.ticket = self._state.ticket()
        replaced = view.bans.get(resource)
        self._state.log(f"{resource}: settling the pending stop of ban {pending_stop.ban_id}")
        self._state.act(SettleBan(fence.ticket, fence.ban, due.call_id, replaced))

    def written(self, event: Written) -> None:
        self._silent_hosts.written(event)
        for fence in self._fences.values():
            if fence.ticket == event.ticket:
                fence.ticket = 0
                fence.read = self._state.read_cib()
                self._conclude(fence, event.outcome)

    def _conclude(self, fence: Fence, outcome: Outcome) -> None:
        fence.refusals = fence.refusals + 1 if outcome is Outcome.NOT_MATCHED else 0
        if outcome is Outcome.SENDER_GONE:
            self._replies.drop(fence, fence.sender)
        if fence.step is Step.WRITING:
            # Else look first whether the ban there is one's own: see _wait.
            done = outcome is Outcome.DONE
            fence.step = Step.PROVING if done else Step.WAITING

    def advance(self) -> None:
        for ban in self._orphaned_bans.due(self._fences):
            fence = self._fence(ban.resource)
            fence.ban, fence.step = ban, Step.ENDING
        for fence in list(self._fences.values()):
            try:
                self._go_on(fence)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is one fence's end
                self._break_off(fence, error)

    def _go_on(self, fence: Fence) -> None:
        self._replies.expire(fence)
        if fence.read <= self._state.read and self._state.view is not None:
            self._advance(fence, self._state.view)
        hold(not fence.fault(), fence.fault())
        fence.note(self._state.now)
        delay = fence.delay(self._state.now)
        if delay:
            what = fence.lead().request
            self._state.log(f"{what.label}: waits: {delay}", what)
        if fence.step is Step.WAITING and not fence.pending and not fence.ticket:
            del self._fences[fence.resource]

    def _break_off(self, fence: Fence, error: Exception) -> None:
        """An error of ours, or a promise that was about to be broken. Its ban is an orphan's."""
        self._state.error(f"{fence.resource}: {error!r} ends its requests. {fence}")
        self._replies.break_off(fence)
        self._fences.pop(fence.resource, None)
        if fence.ban is not None:
            self._orphaned_bans.add(fence.ban)

    def _advance(self, fence: Fence, view: View) -> None:
        if fence.step is Step.PROVING:
            self._prove(fence, view)
        elif fence.ticket:
            return
        elif fence.step is Step.WAITING:
            self._wait(fence, view)
        else:
            self._end(fence, view)

    # --- before the ban

    def _wait(self, fence: Fence, view: View) -> None:
        self._replies.refuse(fence, view)
        if not fence.pending:
            return
        there = view.bans.get(fence.resource)
        if there is None or there.operation == SETTLE:
            obstacle = self._obstacle(fence, view)
            fence.reason = obstacle or ("the CIB manager refuses the ban" if fence.refusals else "")
            if not obstacle and self._is_due(fence):
                self._create(fence, view, there)
        elif not self._has_lease(there):
            fence.reason = "a ban that runs out is in the way"
        elif there.uuid != fence.lead().request.uuid:
            fence.reason = f"{fence.resource} is under a ban for another domain"
        else:
            self._join(fence, there)

    def _obstacle(self, fence: Fence, view: View) -> str:
        arrived = max(one.arrived for one in fence.pending.values())
        if self._state.seen_at < arrived:
            return "the CIB is not read yet"
        if self._state.heard_at < arrived:
            # A resend may have been answered on another host a moment ago.
            return "the other hosts' words are not read yet"
        if fence.lead().request.requester in view.bans:
            # A settle ban, or one that has run out: it fences nobody, but the create guard refuses.
            return "the requester's own ban has to go first"
        return proof.obstacle(view, fence.resource) or self._state.disagreement()

    def _create(self, fence: Fence, view: View, replaced: Ban | None) -> None:
        ban = fence.drawn(self._state.draw_id(), self._state.wall)
        hold(ban.requester not in view.bans, "P4: the requester is banned")
        is_answered = self._state.answered(fence.lead().request) is not None
        hold(not is_answered, "P2: it was answered")
        fence.ban, fence.step, fence.gone_at = ban, Step.WRITING, None
        fence.ticket = self._state.ticket()
        fence.sender = fence.lead().request.sender
        fence.ran_on = view.resources[fence.resource].runs_on
        fence.known_on = frozenset()
        members = tuple((host, view.call_id(host, ban.resource)) for host in sorted(view.members))
        asks = view.call_id(self._state.host, ban.requester)
        read = Histories(asks, members, view.busy(ban.resource))
        self._state.act(CreateBan(fence.ticket, ban, read, replaced, fence.sender))

    def _join(self, fence: Fence, there: Ban) -> None:
        """One's own ban is adopted; a resend and an off over a reset make it one's own."""
        resend = fence.resend_of(there)
        fence.ban, fence.step, fence.gone_at = there, Step.PROVING, None
        fence.read = self._state.read_cib()
        if not fence.is_coordinator and resend is not None:
            self._rewrite(fence, there, resend)

    def _rewrite(self, fence: Fence, there: Ban, by: Pending) -> None:
        new = fence.taken_over(there, by, self._state.wall)
        fence.ticket = self._state.ticket()
        fence.sender = by.request.sender
        self._state.act(RewriteBan(fence.ticket, there, new, fence.sender))

    # --- under the ban

    def _prove(self, fence: Fence, view: View) -> None:
        there = view.bans.get(fence.resource)
        if there is None or there.id != known(fence.ban).id:
            self._lost(fence)
            return
        # A coordinator whose ban is another's now stops; who took it over begins.
        fence.ban = there
        fence.note_entries(view, self._state.now)
        fence.note_role(view)
        if fence.is_coordinator and fence.pending:
            self._silent_hosts.advance(there, view)
        fence.reason = proof.lack(there, view, self._state.everyone(), self._state.wall)
        if not fence.reason:
            self._proven(fence, view)
        elif fence.is_coordinator and (
            proof.unfit(view, fence.resource) or not self._has_lease(there)
        ):
            fence.step = Step.REPLACING
        elif fence.is_coordinator:
            self._renew(fence, there)
        is_free = not fence.ticket and self._has_lease(there)
        if fence.wants_off() and there.operation == RESET and is_free:
            self._rewrite(fence, there, fence.lead())
        if not fence.pending and not fence.ticket:
            self._leave(fence)

    def _proven(self, fence: Fence, view: View) -> None:
        ban = known(fence.ban)
        for one in list(fence.pending.values()):
            if not one.is_off or fence.held_by == ban.id:
                self._replies.prove(fence, one, view)
        if fence.wants_off():
            fence.reason = "dead, but target-role is not Stopped"
        is_mine = fence.wants_off() and fence.is_coordinator and ban.operation == OFF
        if is_mine and not fence.ticket and self._is_due(fence):
            fence.ticket = self._state.ticket()
            self._state.act(SwitchOff(fence.ticket, fence.resource, ban.requester))

    def _lost(self, fence: Fence) -> None:
        """The ban went: by its coordinator, who said what came of it, or by a person."""
        if fence.gone_at is None:
            fence.gone_at = self._state.now
        for one in list(fence.pending.values()):
            self._replies.by_done(fence, one)
        if known(fence.ban).operation == RESET and fence.wants_off():
            # It was never this ban's: the reset ended before the off could rewrite it.
            fence.step = Step.WAITING
        elif self._state.now - fence.gone_at >= DONE_S:
            self._replies.fail(fence, "the ban was removed")
        if not fence.pending:
            fence.step = Step.WAITING

    def _leave(self, fence: Fence) -> None:
        """All are answered: a coordinator ends its ban, but an off's is left to run out."""
        is_left = self._state.is_held_off(known(fence.ban)) or not fence.is_coordinator
        fence.step = Step.WAITING if is_left else Step.ENDING

    # --- the end

    def _end(self, fence: Fence, view: View) -> None:
        there = view.bans.get(fence.resource)
        if there is None or there.id != known(fence.ban).id:
            fence.step, fence.ban = Step.WAITING, None
        elif there.coordinator != self._state.host:
            fence.ban, fence.step = there, Step.PROVING
        elif fence.pending and fence.step is Step.ENDING:
            fence.step = Step.WAITING
        else:
            fence.ban = there
            self._remove(fence, there, view)

    def _remove(self, fence: Fence, there: Ban, view: View) -> None:
        is_forgotten = fence.awaits_probe(view, self._state.now)
        if is_forgotten or not self.may_remove(view, fence.resource):
            self._renew(fence, there)
        elif self._is_due(fence):
            fence.ticket = self._state.ticket()
            self._state.act(RemoveBan(fence.ticket, there))

    def may_remove(self, view: View, resource: str) -> bool:
        """Removing the ban is the whole clean-up; only when Pacemaker has recorded the stop."""
        return view.is_recorded(resource)

    def _renew(self, fence: Fence, there: Ban) -> None:
        is_young = there.end - self._state.wall > LEASE_S - RENEWAL_S
        if is_young or fence.ticket or not self._has_lease(there):
            return
        if self._is_due(fence):
            fence.ticket = self._state.ticket()
            new = there._replace(end=lease_end(self._state.wall))
            self._state.act(RewriteBan(fence.ticket, there, new))

    def _has_lease(self, ban: Ban) -> bool:
        """Else it is let run out: a write may come late, and to revive a ban that had ended is to
        kill whom Pacemaker has started since, and to take old words for new ones."""
        return ban.end - self._state.wall >= proof.LEAST_LEASE_S

    def _is_due(self, fence: Fence) -> bool:
        """Not more than five tries a second, and fewer while the guard refuses them."""
        pause_s = RETRY_S * 2 ** min(fence.refusals, MOST_DOUBLINGS)
        if self._state.now - fence.tried_at < pause_s:
            return False
        fence.tried_at = self._state.now
        return True
