# SPDX-License-Identifier: GPL-2.0-or-later
"""Members that say nothing under a ban of ours, judged by Pacemaker's record, in CIB order. Pure.

A missing entry is never evidence, and an ended one is only if it came after the ban: a start may
be in flight with nothing of it in the CIB. Then the entry is deleted once nothing can come from
another host any more, and the probe that this brings is judged: it is of a scheduler run that has
seen the ban, after all that was in flight.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.machine import proof
from daemons.vm_stonithd.model.actions import ForgetHistory
from daemons.vm_stonithd.model.events import Outcome
from daemons.vm_stonithd.model.host_report import Stage

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.state import State
    from daemons.vm_stonithd.model.events import Written
    from daemons.vm_stonithd.model.facts import History, View
    from pmkvm.fencing.ban import Ban

# One whose vm-stonithd runs gets so long.
PATIENCE_S = 2.0


class Verdict(Enum):
    """DEAD; WAIT: it runs, or something is under way; ASK: only a new probe can tell."""

    DEAD = "dead"
    WAIT = "wait"
    ASK = "ask"


def verdict(before: History | None, now: History | None, *, is_asked: bool) -> Verdict:
    """before: in a CIB that showed the ban already. is_asked: the entry was deleted after all
    other hosts had barred, and now is newer than that."""
    if is_asked:
        return Verdict.DEAD if now is not None and now.ended else Verdict.WAIT
    if now is None:
        return Verdict.ASK
    if not now.ended:
        return Verdict.WAIT
    is_later = before is not None and now.last != before.last
    return Verdict.DEAD if is_later else Verdict.ASK


class Question(NamedTuple):
    """A deletion that is out: last is of the entry that it is to delete ("": there was none).

    read: the CIB that must be seen before anything is concluded, 0 while the deletion is out.
    """

    ticket: int
    last: str
    read: int = 0
    outcome: Outcome | None = None


class Case:
    """What is known of the members that are silent under one ban."""

    def __init__(self, now: float) -> None:
        self.since = now
        self.before: dict[str, History | None] = {}
        self.questions: dict[str, Question] = {}
        self.asked: set[str] = set()


class SilentHosts:
    """Judges for the coordinator of a ban; its judgements are said to all hosts (`for`)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._cases: dict[str, Case] = {}

    def advance(self, ban: Ban, view: View) -> None:
        """To be called with each view in which the ban is there, from the first on."""
        bans = {each.id for each in view.bans.values()}
        self._cases = {ban_id: case for ban_id, case in self._cases.items() if ban_id in bans}
        case = self._cases.setdefault(ban.id, Case(self._state.now))
        self._remember(case, ban, view)
        self._conclude(case, ban, view)
        found = {
            host: self.verdict(case, host, view.history(host, ban.resource))
            for host in sorted(self._silent(case, ban, view))
        }
        for host, is_ in found.items():
            if is_ is Verdict.DEAD:
                self._state.log(f"{ban.resource}: dead on {host} by Pacemaker's record")
                self._state.judge(ban.id, host)
        self._ask(case, ban, view, [host for host, is_ in found.items() if is_ is Verdict.ASK])

    def written(self, event: Written) -> None:
        for case in self._cases.values():
            for host, question in case.questions.items():
                if question.ticket == event.ticket:
                    read = self._state.read_cib()
                    case.questions[host] = question._replace(read=read, outcome=event.outcome)
                    return

    def verdict(self, case: Case, host: str, now: History | None) -> Verdict:
        return verdict(case.before[host], now, is_asked=host in case.asked)

    def _remember(self, case: Case, ban: Ban, view: View) -> None:
        """Each member's entry, from when on it is one. What runs is remembered as it is last seen:
        its stop is yet to come."""
        case.before = {host: e for host, e in case.before.items() if host in view.members}
        case.asked &= view.members
        for host in view.members:
            entry = view.history(host, ban.resource)
            before = case.before.setdefault(host, entry)
            if before is None and entry is not None and not entry.ended:
                case.before[host] = entry

    def _silent(self, case: Case, ban: Ban, view: View) -> set[str]:
        """Who has not said dead, and has not said why not."""
        reports = self._state.everyone()
        found = set()
        for host in view.members - {self._state.host} - proof.judged(ban.id, reports):
            if host not in reports:
                found.add(host)
                continue
            ban_report = reports[host].of(ban.id)
            is_late = self._state.now - case.since >= PATIENCE_S
            if is_late and ban_report.stage is not Stage.DEAD and ban_report.objection is None:
                found.add(host)
        return found

    def _ask(self, case: Case, ban: Ban, view: View, hosts: list[str]) -> None:
        """Once all have barred but those that can't be asked otherwise."""
        open_ = [host for host in hosts if host not in case.questions]
        if not open_:
            return
        bars = proof.bars(ban.id, self._state.everyone())
        if not view.members - set(hosts) <= bars:
            return
        for host in open_:
            entry = view.history(host, ban.resource)
            question = Question(self._state.ticket(), "" if entry is None else entry.last)
            case.questions[host] = question
            self._state.act(ForgetHistory(question.ticket, host, ban.resource))

    def _conclude(self, case: Case, ban: Ban, view: View) -> None:
        """Asked is who shows no entry, or another one, in a CIB read after the deletion."""
        for host, question in list(case.questions.items()):
            if not question.read or self._state.read < question.read:
                continue
            del case.questions[host]
            entry = view.history(host, ban.resource)
            is_gone = entry is None or entry.last != question.last
            if question.outcome is Outcome.DONE and is_gone and host in view.members:
                case.asked.add(host)
