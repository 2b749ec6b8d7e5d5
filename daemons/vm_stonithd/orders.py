# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that fence nobody: on, status, list. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.actions import Answer, RemoveBan, SetRole
from daemons.vm_stonithd.answers import OUR_ERROR, ng, status
from daemons.vm_stonithd.facts import Operation
from pmkvm.fencing.ban import OFF

if TYPE_CHECKING:
    from daemons.vm_stonithd.answers import Answers
    from daemons.vm_stonithd.facts import View
    from daemons.vm_stonithd.fence import Pending
    from daemons.vm_stonithd.knowledge import Knowledge

RETRY_S = 1.0


class Orders:
    """`on` takes an `off` back: its ban, then the role; OK when the target runs."""

    def __init__(self, knowledge: Knowledge, answers: Answers) -> None:
        self._know = knowledge
        self._answers = answers
        self._pending: dict[int, Pending] = {}
        self._tried: dict[int, float] = {}

    def add(self, pending: Pending) -> None:
        self._pending[pending.request.number] = pending

    def is_open(self) -> bool:
        return any(one.request.operation is Operation.ON for one in self._pending.values())

    def overdue(self, now: float) -> bool:
        return any(now > one.deadline for one in self._pending.values())

    def advance(self) -> None:
        view = self._know.view
        for one in list(self._pending.values()):
            is_news = view is not None and self._know.seen_at >= one.arrived
            try:
                text = self._answer(one, view) if view is not None and is_news else ""
            except Exception as error:  # noqa: BLE001 - whatever it is, it is one request's end
                self._know.error(f"{error!r} ends {one.request}")
                text = OUR_ERROR
            if not text and self._know.now >= one.deadline:
                text = ng("it does not run yet" if view is not None else "no CIB to be read")
            if text:
                del self._pending[one.request.number]
                self._tried.pop(one.request.number, None)
                self._know.act(Answer(one.request.number, text))

    def _answer(self, one: Pending, view: View) -> str:
        request = one.request
        if request.operation is Operation.LIST:
            return " ".join(("OK", *request.allowed, *self._holders(request.key_id)))
        refusal = self._answers.refusal(request, view)
        if request.operation is Operation.STATUS and request.target in view.resources:
            # To ask is allowed to a guest that is being fenced, too.
            return status(view, request.target)
        return ng(refusal) if refusal else self._switch_on(one, view)

    def _holders(self, key_id: str) -> tuple[str, ...]:
        """The key of a sealed token, and the hosts that can open it."""
        if not key_id:
            return ()
        everyone = sorted(self._know.everyone().items())
        hosts = [h for h, said in everyone if key_id in (key.id for key in said.keys)]
        return (f"key={key_id}", f"hosts={','.join(hosts)}")

    def _switch_on(self, one: Pending, view: View) -> str:
        target = one.request.target
        ban, resource = view.bans.get(target), view.resources[target]
        if ban is not None:
            # An off that is not answered yet is not taken back: it would be told a lie. It is
            # answered when it is proven and the role is Stopped; what others under its ban were
            # told says nothing.
            done = self._know.done(ban.id)
            is_proven = ban.operation == OFF and done is not None and done.ok
            if is_proven and resource.target_role == "Stopped" and self._is_due(one):
                self._know.act(RemoveBan(self._know.ticket(), ban))
            return ""
        if resource.target_role == "Stopped":
            if self._is_due(one):
                self._know.act(SetRole(self._know.ticket(), target, "Started"))
            return ""
        return "OK" if view.members & set(resource.runs_on) else ""

    def _is_due(self, one: Pending) -> bool:
        number = one.request.number
        if self._know.now - self._tried.get(number, float("-inf")) < RETRY_S:
            return False
        self._tried[number] = self._know.now
        return True
