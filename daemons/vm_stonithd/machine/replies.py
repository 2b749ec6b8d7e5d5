# SPDX-License-Identifier: GPL-2.0-or-later
"""How requests for a fence get their one answer: `done` is said before it goes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine import proof
from daemons.vm_stonithd.machine.fence import UNDER_BAN
from daemons.vm_stonithd.model.actions import Answer, Forget, Say
from daemons.vm_stonithd.model.facts import REFUSED, told
from daemons.vm_stonithd.model.host_report import Done
from daemons.vm_stonithd.model.invariants import hold, known
from pmkvm.fencing.ban import OFF, SETTLE

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.fence import Fence, Pending
    from daemons.vm_stonithd.machine.state import State
    from daemons.vm_stonithd.model.facts import Request, Sender, View

# The ban id of a request that was answered without one.
NO_BAN = "-"
OUR_ERROR = "NG an error in this host's vm-stonithd: see its log"


class Replies:
    """OK only with the proof whole at that moment; NG with what is known."""

    def __init__(self, state: State) -> None:
        self._state = state

    def prove(self, fence: Fence, one: Pending, view: View) -> None:
        """OK: asserts the promise P1 as far as one host can see it."""
        lack = proof.lack(known(fence.ban), view, self._state.everyone(), self._state.wall)
        hold(view is self._state.view and not lack, f"P1: OK without the proof: {lack}")
        self._give(fence, one, f"dead on {', '.join(sorted(view.members))}", ok=True)

    def by_done(self, fence: Fence, one: Pending) -> None:
        """From the `done` of a ban that went.

        An off only by its own. An `on` or a person has removed the ban of an off that was answered,
        and then a start may be on its way, which no later role stops.
        """
        done = self._state.done(known(fence.ban).id)
        if one.is_off:
            done = self._state.answered(one.request)
            if done is None or not done.ok or done.operation != OFF:
                return
        if done is not None and done.ok:
            self._give(fence, one, "proven by another host", ok=True)
        elif done is not None:
            self._give(fence, one, "so it was answered on another host", ok=False)

    def fail(self, fence: Fence, reason: str) -> None:
        for one in list(fence.pending.values()):
            self._give(fence, one, reason, ok=False)

    def expire(self, fence: Fence) -> None:
        """NG to those whose time is over; a retry would kill the new life, so say what is known."""
        for one in list(fence.pending.values()):
            if one.is_hopeless:
                # Nothing was done for it, so there is nothing to be remembered.
                del fence.pending[one.request.number]
                self._state.act(Answer(one.request.number, ng("it came with no time left")))
            elif self._state.now >= one.deadline:
                self._give(fence, one, fence.obstacle(), ok=False)

    def break_off(self, fence: Fence) -> None:
        """An error of ours ends the requests of this fence, and nothing else."""
        for number in list(fence.pending):
            del fence.pending[number]
            self._state.act(Answer(number, OUR_ERROR))

    def refuse(self, fence: Fence, view: View) -> None:
        """At once: what has been answered, and what waiting can't cure."""
        for one in list(fence.pending.values()):
            done = self._state.answered(one.request)
            reason = self.refusal(one.request, view)
            if done is not None:
                del fence.pending[one.request.number]
                self.repeat(one, done)
            elif reason:
                is_unknown = one.request.target not in view.resources
                why = _unknown(one.request) if is_unknown else reason
                self._give(fence, one, reason, ok=False, why=why)

    def refusal(self, request: Request, view: View) -> str:
        """What the guest is told; whether a name exists here it must not learn."""
        if request.target not in view.resources:
            text = f"{request.hash} {request.requester} is refused: {_unknown(request)}"
            self._state.log(text, request)
            return told(REFUSED, request.hash)
        ban = view.bans.get(request.requester)
        if ban is not None and ban.operation != SETTLE and ban.is_live(self._state.wall):
            return "you are being fenced"
        return ""

    def repeat(self, one: Pending, done: Done) -> None:
        # An id that was used twice: what one operation has proven is not what the other one asks.
        is_same = done.operation == one.request.operation.value
        text = "OK" if done.ok and is_same else "NG as answered before"
        self._state.act(Answer(one.request.number, text, one.deadline, done, "as answered before"))

    def drop(self, fence: Fence, sender: Sender | None) -> None:
        """A dead guest fences nobody. One that was migrated asks again where it is now, so there
        is neither an answer nor a word about one."""
        for one in list(fence.pending.values()):
            if one.request.sender == sender:
                del fence.pending[one.request.number]
                self._state.act(Forget(one.request.number))
                request = one.request
                self._state.log(
                    f"{request.hash} {request.requester} {request.operation.value}"
                    f" {request.target}: dropped, its sender has gone from here",
                    request,
                )

    def _give(self, fence: Fence, one: Pending, reason: str, *, ok: bool, why: str = "") -> None:
        """reason: how it is known, or why it is not proven. why: the same, if the guest must not
        learn it."""
        del fence.pending[one.request.number]
        is_banned = fence.ban is not None and fence.step in UNDER_BAN
        ban_id = fence.ban.id if fence.ban is not None and is_banned else NO_BAN
        request = one.request
        # What killed is always told; what others have asked for besides, as often as they may.
        by = None if ok and self._state.done(ban_id) is None else request
        operation = request.operation.value
        done = Done(ban_id, ok, request.requester, request.hash, request.target, operation)
        self._state.finish(done)
        text = "OK" if ok else ng(reason, is_banned=is_banned)
        if self._state.may_speak:
            self._state.act(Say(self._state.own_report()))
        self._state.act(Answer(request.number, text, one.deadline, done, why or reason))
        # Who, whom, where it was, what came of it, how that is known, how long it took.
        where = f" on {', '.join(fence.ran_on)}" if fence.ran_on else ""
        outcome = f"{text}, {reason}" if ok else text
        took = self._state.now - one.arrived
        self._state.log(
            f"{request.hash} {request.requester} {request.operation.value} {request.target}"
            f"{where}: {outcome} ({took * 1000:.0f} ms, ban {ban_id})",
            by,
        )


def _unknown(request: Request) -> str:
    """For this host alone."""
    return f"{request.target} is no VirtualDomain of this cluster that can be fenced"


def ng(reason: str, *, is_banned: bool = False) -> str:
    """There is no NG without a reason: an administrator has nothing else to go by."""
    hold(reason.strip(), "an NG has its reason")
    return f"NG {'banned; ' if is_banned else ''}{reason}"


def status(view: View, target: str) -> str:
    """Unknown is never off: each member's history has ended, and no other host may run it."""
    members = view.members
    is_off = bool(members) and all(view.has_ended(host, target) for host in members)
    return "OK off" if is_off and not proof.unfit(view, target) else "OK on"
