# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines with one rule of the protocol left out: what the property test must catch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine.coordinator import Owner
from daemons.vm_stonithd.machine.fence import MARGIN_S
from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.machine.participant import Member, Watch
from daemons.vm_stonithd.machine.silent_hosts import Case, Silence, Verdict
from daemons.vm_stonithd.machine.state import Knowledge
from daemons.vm_stonithd.model.actions import RemoveExpired
from daemons.vm_stonithd.model.host_report import Stage, Word, Words
from daemons.vm_stonithd.model.invariants import hold, known

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.fence import Fence
    from daemons.vm_stonithd.model.actions import Answer
    from daemons.vm_stonithd.model.events import Looked
    from daemons.vm_stonithd.model.facts import History, View
    from pmkvm.fencing.ban import Ban


class _HastyMember(Member):
    """Dead at the first look, without waiting for the others' bars."""

    def _attest(self, watch: Watch) -> None:
        super()._attest(watch)
        self._say(watch, Word(Stage.DEAD, known(self._know.view).members))


class _TrustingMember(Member):
    """No QEMU of the ban's uuid, so it is dead: the definition can't be wrong."""

    def looked(self, event: Looked) -> None:
        super().looked(event._replace(doubt=None, is_remembered=True))


class NoWitness(Machine):
    member_class = _TrustingMember


class _ForgetfulMember(Member):
    """What Pacemaker has running need not be found."""

    def looked(self, event: Looked) -> None:
        super().looked(event._replace(is_remembered=True))


class NoRecordIsFine(Machine):
    member_class = _ForgetfulMember


class OneRound(Machine):
    member_class = _HastyMember


class _CredulousKnowledge(Knowledge):
    """A host that says nothing under a ban has nothing to say."""

    def everyone(self) -> dict[str, Words]:
        said = super().everyone()
        if self.view is None:
            return said
        dead = Word(Stage.DEAD, self.view.members)
        ids = [ban.id for ban in self.view.bans.values()]
        for host in self.view.members - {self.host}:
            words = said.get(host, Words(self.wall))
            silent = {i: dead for i in ids if words.of(i).stage is Stage.SILENT}
            said[host] = words._replace(bans={**words.bans, **silent})
        return said


class AbsenceIsDeath(Machine):
    knowledge_class = _CredulousKnowledge


class _HastyOwner(Owner):
    """Ends its ban when it has answered, whatever Pacemaker has recorded."""

    def _remove(self, fence: Fence, there: Ban, _view: View) -> None:
        if self._is_due(fence):
            fence.ticket = self._know.ticket()
            self._know.act(RemoveExpired(fence.ticket, there))


class EarlyEnd(Machine):
    owner_class = _HastyOwner


class _CredulousSilence(Silence):
    """Where a silent host's entry is missing, nothing runs."""

    def verdict(self, case: Case, host: str, now: History | None) -> Verdict:
        return Verdict.DEAD if now is None else super().verdict(case, host, now)


class _CredulousOwner(Owner):
    silence_class = _CredulousSilence


class MissingIsDeath(Machine):
    owner_class = _CredulousOwner


class _HastySilence(Silence):
    """An entry that has ended is good enough, however old."""

    def verdict(self, case: Case, host: str, now: History | None) -> Verdict:
        is_ended = now is not None and now.ended
        return Verdict.DEAD if is_ended else super().verdict(case, host, now)


class _HastyJudge(Owner):
    silence_class = _HastySilence


class OldRecordIsDeath(Machine):
    owner_class = _HastyJudge


class DoesNotCarryWhatItRepeats(Machine):
    """An answer that is repeated is checked by what is remembered when it leaves. A request whose
    time ends in the same step may have pushed just that out, and the check ended the daemon."""

    def _check_answer(self, action: Answer) -> None:
        request = self._open[action.number]
        if not request.refusal and request.operation.is_fence and self._know.may_speak:
            is_hopeless = request.seconds <= MARGIN_S
            hold(is_hopeless or self._know.answered(request), "P2: an answer without its record")
        super()._check_answer(action)
