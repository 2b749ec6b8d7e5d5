# SPDX-License-Identifier: GPL-2.0-or-later
"""What is recorded of each fence, by what the machine is told and wants. Pure.

It looks on: it decides nothing, and no other part knows of it. A line of the coordinator tells of
each answer to a reset, an off or an on; a line of the participant each time that this host has
come to say dead, and of a ban that went before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine import proof
from daemons.vm_stonithd.model.actions import Answer, CreateBan, Forget, Kill, WriteRecord
from daemons.vm_stonithd.model.events import Outcome, Written
from daemons.vm_stonithd.model.facts import Operation
from daemons.vm_stonithd.model.host_report import Stage
from pmkvm.fencing.ban import LEASE_S, SETTLE
from pmkvm.fencing.record import COORDINATOR, GONE, NG, OK, PARTICIPANT, Record
from pmkvm.service.bucket import Quota

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.fence import Pending
    from daemons.vm_stonithd.machine.state import State
    from daemons.vm_stonithd.model.events import Event
    from daemons.vm_stonithd.model.facts import Request
    from pmkvm.fencing.ban import Ban
    from pmkvm.process import Life

# To ask is no deed.
DEEDS = (Operation.RESET, Operation.OFF, Operation.ON)


class _Course:
    """A ban as it goes here; times on this host's monotonic clock.

    stages: of the coordinator's. own: of the participant's, since the ban was first seen.
    """

    def __init__(self, ban: Ban, now: float) -> None:
        self.ban = ban
        self.stages: dict[str, float] = {}
        self.own: dict[str, float] = {}
        self.seen_at = now
        self.is_seen = False
        self.lives: dict[Life, None] = {}
        self.word = ""
        self.is_dead = False
        self.is_told = False
        self.has_answer = False


class Records:
    def __init__(self, state: State) -> None:
        self._state = state
        self._asked: dict[int, Pending] = {}
        # By the ban's id.
        self._courses: dict[str, _Course] = {}
        self._tickets: dict[int, str] = {}
        self._quotas: dict[str, Quota] = {}

    def asked(self, pending: Pending) -> None:
        self._asked[pending.request.number] = pending

    def advance(self, event: Event) -> None:
        """The last of all parts: what the others want done is known."""
        if isinstance(event, Written):
            self._written(event)
        self._follow()
        for action in list(self._state.actions):
            if isinstance(action, CreateBan):
                self._tickets[action.ticket] = action.ban.id
                self._course(action.ban).stages.setdefault("write", self._state.now)
            elif isinstance(action, Kill):
                course = self._course(action.ban)
                course.own.setdefault("kill", self._state.now)
                course.lives.update(dict.fromkeys(action.lives))
            elif isinstance(action, Answer):
                self._answered(action)
            elif isinstance(action, Forget):
                self._gone(action)
        self._end()

    def _written(self, event: Written) -> None:
        ban_id = self._tickets.pop(event.ticket, "")
        if event.outcome is Outcome.DONE and ban_id in self._courses:
            self._courses[ban_id].stages.setdefault("banned", self._state.now)

    def _course(self, ban: Ban) -> _Course:
        return self._courses.setdefault(ban.id, _Course(ban, self._state.now))

    # --- the participant's

    def _follow(self) -> None:
        state, view = self._state, self._state.view
        if view is None or not state.may_speak:
            return
        everyone = None
        for ban in view.bans.values():
            if ban.operation == SETTLE:
                continue
            course = self._course(ban)
            course.ban = ban
            if not course.is_seen:
                course.is_seen, course.seen_at = True, state.now
            if "barred" not in course.stages:
                everyone = everyone or state.everyone()
                if view.members <= proof.bars(ban.id, everyone):
                    course.stages["barred"] = state.now
            self._heed(course)

    def _heed(self, course: _Course) -> None:
        """This host's own word under the ban."""
        report = self._state.own(course.ban.id)
        course.word = report.objection.value if report.objection else report.stage.name.lower()
        if report.stage >= Stage.BARRED:
            course.own.setdefault("barred", self._state.now)
        was_dead, course.is_dead = course.is_dead, report.stage is Stage.DEAD
        if course.is_dead and not was_dead:
            course.own["dead"] = self._state.now
            self._take_part(course, OK)

    def _end(self) -> None:
        """Of bans that have gone, or whose write came to nothing."""
        view = self._state.view
        if view is None:
            return
        there = {ban.id for ban in view.bans.values()}
        for ban_id in [each for each in self._courses if each not in there]:
            course = self._courses[ban_id]
            # Until then a reading may be older than the write, or the write may come late.
            if course.is_seen or self._state.now - course.seen_at >= LEASE_S:
                del self._courses[ban_id]
                if course.is_seen and not course.is_told:
                    self._take_part(course, NG)

    def _take_part(self, course: _Course, outcome: str) -> None:
        course.is_told = True
        ban = course.ban
        pids = ", ".join(str(life.pid) for life in course.lives)
        if outcome == OK:
            reason = f"QEMU {pids} has died" if pids else "no QEMU here"
        else:
            reason = f"the ban went when this host said {course.word}"
        stages = {name: _ms(at - course.seen_at) for name, at in course.own.items()}
        self._write(
            Record(
                at=self._state.wall,
                host=self._state.host,
                part=PARTICIPANT,
                operation=ban.operation,
                target=ban.resource,
                outcome=outcome,
                reason=reason,
                target_uuid=ban.uuid,
                requester=ban.requester,
                request=ban.request,
                ban=ban.id,
                coordinator=ban.coordinator,
                stages=stages,
            )
        )

    # --- the coordinator's

    def _answered(self, action: Answer) -> None:
        pending = self._asked.pop(action.number, None)
        if pending is None or pending.request.operation not in DEEDS:
            return
        is_ok = action.text == OK
        ban_id = "" if action.done is None or action.done.ban_id == "-" else action.done.ban_id
        course = self._courses.get(ban_id)
        # What killed is always told; what others have asked for besides, as often as they may.
        is_first = is_ok and course is not None and not course.has_answer
        more = "" if is_first else self._quota(pending.request)
        if course is not None and is_ok:
            course.has_answer = True
        if more is not None:
            reason = action.why or action.text.partition(" ")[2]
            self._coordinate(pending, OK if is_ok else NG, reason + more, ban_id)

    def _gone(self, action: Forget) -> None:
        pending = self._asked.pop(action.number, None)
        more = None if pending is None else self._quota(pending.request)
        if pending is not None and more is not None:
            self._coordinate(pending, GONE, f"its sender has gone from here{more}", "")

    def _quota(self, request: Request) -> str | None:
        now = self._state.now
        return self._quotas.setdefault(request.requester, Quota(now)).take(now)

    def _coordinate(self, pending: Pending, outcome: str, reason: str, ban_id: str) -> None:
        request, course = pending.request, self._courses.get(ban_id)
        told = {} if course is None else course.stages
        # A ban that stood before the request came is none of its stages.
        stages = {n: _ms(at - pending.arrived) for n, at in told.items() if at >= pending.arrived}
        stages["answer"] = _ms(self._state.now - pending.arrived)
        self._write(
            Record(
                at=self._state.wall,
                host=self._state.host,
                part=COORDINATOR,
                operation=request.operation.value,
                target=request.target,
                outcome=outcome,
                reason=reason,
                target_uuid=request.uuid,
                requester=request.requester,
                requester_uuid=request.sender.uuid,
                request=request.hash,
                key=request.key_id,
                ban=ban_id,
                coordinator=self._state.host,
                stages=stages,
            )
        )

    def _write(self, record: Record) -> None:
        self._state.act(WriteRecord(record))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
