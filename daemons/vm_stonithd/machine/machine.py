# SPDX-License-Identifier: GPL-2.0-or-later
"""The state machine of one host's vm-stonithd: events in, actions out.

It never waits, never raises for what others say, and knows no clock but the one it is told.
doc/fencing-protocol.md specifies what it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine.coordinator import Coordinator
from daemons.vm_stonithd.machine.fence import Pending
from daemons.vm_stonithd.machine.on_status_list import OnStatusList
from daemons.vm_stonithd.machine.participant import Participant
from daemons.vm_stonithd.machine.pending_stops import PendingStops
from daemons.vm_stonithd.machine.records import Records
from daemons.vm_stonithd.machine.replies import OUR_ERROR, Replies, ng
from daemons.vm_stonithd.machine.state import State
from daemons.vm_stonithd.model import events, pace
from daemons.vm_stonithd.model.actions import Answer, Forget, Say
from daemons.vm_stonithd.model.facts import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.model.actions import Action
    from daemons.vm_stonithd.model.events import Event
    from daemons.vm_stonithd.model.facts import Request
    from daemons.vm_stonithd.model.host_report import HostReport

# How often the own time of day is said when there is nothing else to say.
UP_S = 5.0
# How long a reading of the reports is waited for before what is missing is said again.
ECHO_S = 1.0


class Machine:
    """One host's vm-stonithd, with the promises of doc/fencing-protocol.md, kept by all hosts:

    P1 OK means dead: every life of the target that ran when the ban was written is over on all
       hosts, and no other begins while the ban stands (after an off: while its role is Stopped).
    P2 A request never ends a life of the target that began after that request was answered.
    P3 After a reset the target is not kept stopped, whoever dies.
    P4 Of two guests that fence each other exactly one lives. A dead guest fences nobody.
    P5 No request fences a host, raises a fail-count, bars a guest from a host, writes a role (off
       and on apart), or stops a guest that does not depend on the target.
    P6 The answer leaves the host before the deadline.

    Checked where one host can: an OK has the whole proof in the view of that moment (P1); a request
    is answered once, an OK carries what is remembered of it, and no ban is written for what is
    answered (P2); none is written for a requester under a ban (P4); no request is older than its
    deadline (P6). P3 is the lease: nobody renews another's ban; P5 is that only off and on have a
    way to write a role. A failed check is an error of ours: it ends the requests of that fence with
    an NG, and is logged with all that explains it.
    """

    def __init__(self, host: str, draw_id: Callable[[], str], now: float) -> None:
        self._state = State(host, draw_id, now)
        self._replies = Replies(self._state)
        self._participant = Participant(self._state)
        self._coordinator = Coordinator(self._state, self._replies)
        self._on_status_list = OnStatusList(self._state, self._replies)
        self._pending_stops = PendingStops(self._state)
        self._records = Records(self._state)
        self._said: HostReport | None = None
        self._said_at = float("-inf")
        self._open: dict[int, Request] = {}
        self._is_terminated = False

    def step(self, event: Event, now: float, wall: float) -> list[Action]:
        """What is to be done about it, at this monotonic time and time of day."""
        if self._is_terminated:
            return []
        self._state.now, self._state.wall = now, wall
        self._state.actions = []
        if isinstance(event, events.Terminated):
            self._is_terminated = True
            self._state.log("terminated: bans stand, requests stay with vm-connectd")
            return self._state.actions
        self._take(event)
        for part in (
            self._participant,
            self._pending_stops,
            self._coordinator,
            self._on_status_list,
        ):
            part.advance()
        self._speak()
        self._check()
        self._record(event)
        return self._state.actions

    def quiet_s(self, now: float) -> float:
        """Since when nothing has changed for those who wait for more than a word about how things
        are; pace.NOTHING if nobody does."""
        return min(
            part.quiet_s(now)
            for part in (self._coordinator, self._on_status_list, self._participant)
        )

    @property
    def is_idle(self) -> bool:
        """Whether there is neither a pending stop of this host's, nor a ban that anybody sees.

        What the others say tells of a ban that this host's CIB manager could not write to its file.
        """
        view = self._state.view
        has_bans = (view is not None and view.bans) or self._state.speaks_of_bans
        return not (self._pending_stops.are_there or has_bans)

    @property
    def may_rest(self) -> bool:
        """Whether it is enough to hear the others now and then: nobody waits for a word, and how
        far their clocks are apart is known."""
        state = self._state
        is_calm = self.is_idle and self.quiet_s(state.now) == pace.NOTHING
        return is_calm and state.may_speak and state.clocks.are_close(state.now)

    def _take(self, event: Event) -> None:
        self._state.take(event)
        if isinstance(event, events.Looked):
            self._participant.looked(event)
        elif isinstance(event, events.Killed):
            self._participant.killed(event)
        elif isinstance(event, events.Written):
            self._coordinator.written(event)
            self._on_status_list.written(event)
        elif isinstance(event, events.PendingStopsSeen):
            for due in self._pending_stops.seen(event):
                self._coordinator.settle(due)
        elif isinstance(event, events.Arrived):
            self._arrived(event.request)

    def _arrived(self, request: Request) -> None:
        self._open[request.number] = request
        done = self._state.answered(request)
        pending = Pending(request, self._state.now)
        self._records.asked(pending)
        if request.refusal:
            why = request.why or request.refusal
            self._state.log(f"{request.hash} {request.requester} is refused: {why}", request)
            text = ng(told(request.refusal, request.hash))
            self._state.act(Answer(request.number, text, why=why))
        elif not request.operation.is_fence:
            self._on_status_list.add(pending)
        elif done is not None:
            self._replies.repeat(pending, done)
        else:
            self._coordinator.add(pending)

    def _speak(self) -> None:
        """Say what is new at once, `up` every 5 s, and again what attrd has lost."""
        state = self._state
        if not state.may_speak:
            return
        report = state.own_report()
        is_news = self._said is None or report[1:] != self._said[1:]
        heard = state.reports.get(state.host)
        is_lost = heard is None or (self._said is not None and heard[1:] != self._said[1:])
        age = state.now - self._said_at
        if is_news or age >= UP_S or (is_lost and age >= ECHO_S):
            state.act(Say(report))
        for action in state.actions:
            if isinstance(action, Say):
                self._said, self._said_at = action.report, state.now

    def _record(self, event: Event) -> None:
        """No fence may fail by what is recorded of it."""
        try:
            self._records.advance(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, it decides nothing
            self._state.error(f"fences are not recorded: {error!r}")
            self._records = Records(self._state)

    def _check(self) -> None:
        """What is about to break a promise is not done."""
        for action in list(self._state.actions):
            if isinstance(action, Answer):
                self._check_answer(action)
            elif isinstance(action, Forget):
                self._open.pop(action.number, None)
        for part in (self._coordinator, self._on_status_list):
            if part.overdue(self._state.now):
                self._state.error("P6: a request has outlived its deadline")

    def _check_answer(self, action: Answer) -> None:
        request = self._open.pop(action.number)
        if action.text != "OK" or not request.operation.is_fence or not self._state.may_speak:
            return
        key = (request.requester, request.hash, request.target)
        done = action.done
        if done is None or not done.ok or (done.requester, done.request, done.target) != key:
            at = self._state.actions.index(action)
            self._state.actions[at] = Answer(action.number, OUR_ERROR)
            self._state.error(f"P2: an OK without what is remembered of it: {action}, {request}")
