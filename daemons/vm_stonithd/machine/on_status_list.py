# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that fence nobody: on, status, list. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine.replies import OUR_ERROR, ng, status
from daemons.vm_stonithd.model import pace
from daemons.vm_stonithd.model.actions import Answer, ForgetMark, RemoveBan, SwitchOn
from daemons.vm_stonithd.model.facts import Operation
from pmkvm.fencing.role import STOPPED

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.fence import Pending
    from daemons.vm_stonithd.machine.replies import Replies
    from daemons.vm_stonithd.machine.state import State
    from daemons.vm_stonithd.model.events import Written
    from daemons.vm_stonithd.model.facts import Resource, View
    from pmkvm.fencing.ban import Ban

RETRY_S = 1.0


class OnStatusList:
    """`on` takes an `off` back: the role, then its ban; OK when the target runs.

    The role first: a start that was on its way under the ban may come as soon as that is gone.
    """

    def __init__(self, state: State, replies: Replies) -> None:
        self._state = state
        self._replies = replies
        self._pending: dict[int, Pending] = {}
        # By target: when the last write was asked for, and its ticket while it is out.
        self._tried: dict[str, float] = {}
        self._tickets: dict[str, int] = {}
        # By the id of a ban: when it was first known here that an off is answered under it.
        self._held: dict[str, float] = {}

    def add(self, pending: Pending) -> None:
        self._pending[pending.request.number] = pending

    def written(self, event: Written) -> None:
        self._tickets = {r: ticket for r, ticket in self._tickets.items() if ticket != event.ticket}

    def quiet_s(self, now: float) -> float:
        """For the youngest `on`, since it came or something was last done for its target."""
        waiting = (one for one in self._pending.values() if one.request.operation is Operation.ON)
        tried = self._tried.get
        since = (max(one.arrived, tried(one.request.target, one.arrived)) for one in waiting)
        return now - max(since, default=-pace.NOTHING)

    def overdue(self, now: float) -> bool:
        return any(now > one.deadline for one in self._pending.values())

    def advance(self) -> None:
        view = self._state.view
        if view is not None:
            self._forget_marks(view)
            self._note_held(view)
        for one in list(self._pending.values()):
            is_news = view is not None and self._state.seen_at >= one.arrived
            try:
                text = self._answer(one, view) if view is not None and is_news else ""
            except Exception as error:  # noqa: BLE001 - whatever it is, it is one request's end
                self._state.error(f"{error!r} ends {one.request}")
                text = OUR_ERROR
            if not text and self._state.now >= one.deadline:
                text = ng(self._obstacle(one, view))
            if text:
                del self._pending[one.request.number]
                self._state.act(Answer(one.request.number, text))

    def _obstacle(self, one: Pending, view: View | None) -> str:
        if view is None:
            return "no CIB to be read"
        resource = view.resources.get(one.request.target)
        is_stopped = resource is not None and resource.target_role == STOPPED
        return "its target-role is Stopped" if is_stopped else "it does not run yet"

    def _answer(self, one: Pending, view: View) -> str:
        request = one.request
        if request.operation is Operation.LIST:
            return " ".join(("OK", *request.allowed, *self._holders(request.key_id)))
        refusal = self._replies.refusal(request, view)
        if request.operation is Operation.STATUS and request.target in view.resources:
            # To ask is allowed to a guest that is being fenced, too.
            return status(view, request.target)
        return ng(refusal) if refusal else self._switch_on(request.target, view)

    def _holders(self, key_id: str) -> tuple[str, ...]:
        """The key of a sealed token, and the hosts that can open it."""
        if not key_id:
            return ()
        everyone = sorted(self._state.everyone().items())
        hosts = [h for h, said in everyone if key_id in (key.id for key in said.keys)]
        return (f"key={key_id}", f"hosts={','.join(hosts)}")

    def _switch_on(self, target: str, view: View) -> str:
        ban, resource = view.bans.get(target), view.resources[target]
        if _is_off(resource):
            # Not an off that is still being proven: its role is Stopped before it is answered.
            if ban is None or self._state.is_held_off(ban):
                self._write(target, SwitchOn(self._state.ticket(), target))
            return ""
        if resource.own.role == STOPPED and resource.own.by:
            # crm_mon's word of the role that counts is older than the CIB beside it.
            return ""
        if resource.own.role == STOPPED:
            return ng("target-role is Stopped, and no off has written that")
        if ban is not None:
            if resource.target_role != STOPPED and self._is_undone(ban):
                self._write(target, RemoveBan(self._state.ticket(), ban))
            return ""
        return "OK" if view.members & set(resource.runs_on) else ""

    def _note_held(self, view: View) -> None:
        """Of the targets that an `on` waits for."""
        orders = (one.request for one in self._pending.values())
        wanted = {one.target for one in orders if one.operation is Operation.ON}
        bans = (ban for resource, ban in view.bans.items() if resource in wanted)
        held = (ban.id for ban in bans if self._state.is_held_off(ban))
        self._held = {each: self._held.get(each, self._state.now) for each in held}

    def _is_undone(self, ban: Ban) -> bool:
        """Whether the role that is read was written since the off was answered: by an `on` or by a
        person. A reading of before the answer may show the role of before the off."""
        since = self._held.get(ban.id)
        return since is not None and self._state.seen_at >= since

    def _forget_marks(self, view: View) -> None:
        """Of an off that a person or an on has undone. Any vm-stonithd does."""
        for name, resource in view.resources.items():
            is_undone = resource.own.by and resource.own.role != STOPPED
            if is_undone and name not in view.bans:
                self._write(name, ForgetMark(self._state.ticket(), name))

    def _write(self, target: str, action: RemoveBan | SwitchOn | ForgetMark) -> None:
        """One at a time for each target, however many ask for it."""
        is_late = self._state.now - self._tried.get(target, float("-inf")) >= RETRY_S
        if is_late and target not in self._tickets:
            self._tried[target] = self._state.now
            self._tickets[target] = action.ticket
            self._state.act(action)


def _is_off(resource: Resource) -> bool:
    """Whether an off, and nobody since, has written the role Stopped."""
    return resource.target_role == resource.own.role == STOPPED and bool(resource.own.by)
