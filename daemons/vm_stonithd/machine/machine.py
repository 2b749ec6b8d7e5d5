# SPDX-License-Identifier: GPL-2.0-or-later
"""The state machine of one host's vm-stonithd: events in, actions out.

It never waits, never raises for what others say, and knows no clock but the one it is told.
doc/fencing-machine.md has the table of events and actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine.coordinator import Owner
from daemons.vm_stonithd.machine.fence import Pending
from daemons.vm_stonithd.machine.on_status_list import Orders
from daemons.vm_stonithd.machine.participant import Member
from daemons.vm_stonithd.machine.pending_stops import Payment
from daemons.vm_stonithd.machine.replies import OUR_ERROR, Answers, ng
from daemons.vm_stonithd.machine.state import Knowledge
from daemons.vm_stonithd.model import events
from daemons.vm_stonithd.model.actions import Answer, Forget, Say

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.model.actions import Action
    from daemons.vm_stonithd.model.events import Event
    from daemons.vm_stonithd.model.facts import Request
    from daemons.vm_stonithd.model.host_report import Words

# How often the own time of day is said when there is nothing else to say.
UP_S = 5.0
# How long a reading of the words is waited for before what is missing is said again.
ECHO_S = 1.0


class Machine:
    """One host's vm-stonithd, whose promises are FENCING's, kept by three hosts together:

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

    # What it is made of.
    knowledge_class = Knowledge
    member_class = Member
    owner_class = Owner

    def __init__(self, host: str, draw_id: Callable[[], str], now: float) -> None:
        self._know = self.knowledge_class(host, draw_id, now)
        self._answers = Answers(self._know)
        self._member = self.member_class(self._know)
        self._owner = self.owner_class(self._know, self._answers)
        self._orders = Orders(self._know, self._answers)
        self._payment = Payment(self._know, self._owner.settle)
        self._said: Words | None = None
        self._said_at = float("-inf")
        self._open: dict[int, Request] = {}
        self._is_terminated = False

    def step(self, event: Event, now: float, wall: float) -> list[Action]:
        """What is to be done about it, at this monotonic time and time of day."""
        if self._is_terminated:
            return []
        self._know.now, self._know.wall = now, wall
        self._know.actions = []
        if isinstance(event, events.Terminated):
            self._is_terminated = True
            self._know.log("terminated: bans stand, requests stay with vm-connectd")
            return self._know.actions
        self._take(event)
        for part in (self._member, self._payment, self._owner, self._orders):
            part.advance()
        self._speak()
        self._check()
        return self._know.actions

    def quiet_s(self, now: float) -> float:
        """Since when nothing has changed for those who wait for more than a word about how things
        are; pace.NOTHING if nobody does."""
        return min(part.quiet_s(now) for part in (self._owner, self._orders, self._member))

    def _take(self, event: Event) -> None:
        self._know.take(event)
        if isinstance(event, events.Looked):
            self._member.looked(event)
        elif isinstance(event, events.Killed):
            self._member.killed(event)
        elif isinstance(event, events.Written):
            self._owner.written(event)
            self._orders.written(event)
        elif isinstance(event, events.DebtsSeen):
            self._payment.seen(event)
        elif isinstance(event, events.Arrived):
            self._arrived(event.request)

    def _arrived(self, request: Request) -> None:
        self._open[request.number] = request
        done = self._know.answered(request)
        pending = Pending(request, self._know.now)
        if request.refusal:
            why = request.why or request.refusal
            self._know.log(f"{request.hash} {request.requester} is refused: {why}", request)
            self._know.act(Answer(request.number, ng(request.refusal)))
        elif not request.operation.is_fence:
            self._orders.add(pending)
        elif done is not None:
            self._answers.repeat(pending, done)
        else:
            self._owner.add(pending)

    def _speak(self) -> None:
        """Say what is new at once, `up` every 5 s, and again what attrd has lost."""
        know = self._know
        if not know.may_speak:
            return
        words = know.own_words()
        is_news = self._said is None or words[1:] != self._said[1:]
        heard = know.words.get(know.host)
        is_lost = heard is None or (self._said is not None and heard[1:] != self._said[1:])
        age = know.now - self._said_at
        if is_news or age >= UP_S or (is_lost and age >= ECHO_S):
            know.act(Say(words))
        for action in know.actions:
            if isinstance(action, Say):
                self._said, self._said_at = action.words, know.now

    def _check(self) -> None:
        """What is about to break a promise is not done."""
        for action in list(self._know.actions):
            if isinstance(action, Answer):
                self._check_answer(action)
            elif isinstance(action, Forget):
                self._open.pop(action.number, None)
        for part in (self._owner, self._orders):
            if part.overdue(self._know.now):
                self._know.error("P6: a request has outlived its deadline")

    def _check_answer(self, action: Answer) -> None:
        request = self._open.pop(action.number)
        if action.text != "OK" or not request.operation.is_fence or not self._know.may_speak:
            return
        key = (request.requester, request.hash, request.target)
        done = action.done
        if done is None or not done.ok or (done.requester, done.request, done.target) != key:
            at = self._know.actions.index(action)
            self._know.actions[at] = Answer(action.number, OUR_ERROR)
            self._know.error(f"P2: an OK without what is remembered of it: {action}, {request}")
