# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines with one rule of the protocol left out: what the property test must catch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine.coordinator import Coordinator
from daemons.vm_stonithd.machine.fence import MARGIN_S
from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.machine.participant import BanWatch, Participant
from daemons.vm_stonithd.machine.silent_hosts import Case, SilentHosts, Verdict
from daemons.vm_stonithd.machine.state import State
from daemons.vm_stonithd.model.actions import CreateBan, RemoveExpired
from daemons.vm_stonithd.model.host_report import BanReport, HostReport, Stage
from daemons.vm_stonithd.model.invariants import hold, known

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.machine.fence import Fence
    from daemons.vm_stonithd.model.actions import Action, Answer
    from daemons.vm_stonithd.model.events import Looked
    from daemons.vm_stonithd.model.facts import History, View
    from pmkvm.fencing.ban import Ban


class _Broken(Machine):
    """Its parts work on, by other rules."""

    state = State
    participant = Participant
    coordinator = Coordinator
    silent_hosts = SilentHosts

    def __init__(self, host: str, draw_id: Callable[[], str], now: float) -> None:
        super().__init__(host, draw_id, now)
        self._state.__class__ = self.state
        self._participant.__class__ = self.participant
        self._coordinator.__class__ = self.coordinator
        self._coordinator._silent_hosts.__class__ = self.silent_hosts


class _HastyParticipant(Participant):
    """Dead at the first look, without waiting for the others' bars."""

    def _attest(self, watch: BanWatch) -> None:
        super()._attest(watch)
        self._say(watch, BanReport(Stage.DEAD, known(self._state.view).members))


class _TrustingParticipant(Participant):
    """No QEMU of the ban's uuid, so it is dead: the definition can't be wrong."""

    def looked(self, event: Looked) -> None:
        super().looked(event._replace(doubt=None, is_remembered=True))


class NoWitness(_Broken):
    participant = _TrustingParticipant


class _ForgetfulParticipant(Participant):
    """What Pacemaker has running need not be found."""

    def looked(self, event: Looked) -> None:
        super().looked(event._replace(is_remembered=True))


class NoRecordIsFine(_Broken):
    participant = _ForgetfulParticipant


class _HurriedState(State):
    """A ban may come when something has begun since the CIB was read."""

    def act(self, action: Action) -> None:
        if isinstance(action, CreateBan):
            anywhere = known(self.view).members
            action = action._replace(read=action.read._replace(busy=anywhere))
        super().act(action)


class OneRound(_Broken):
    """Where Pacemaker writes down what is under way, few starts are left that need two rounds."""

    participant = _HastyParticipant
    state = _HurriedState


class _CredulousState(State):
    """A host that says nothing under a ban has nothing to say."""

    def everyone(self) -> dict[str, HostReport]:
        said = super().everyone()
        if self.view is None:
            return said
        dead = BanReport(Stage.DEAD, self.view.members)
        ids = [ban.id for ban in self.view.bans.values()]
        for host in self.view.members - {self.host}:
            report = said.get(host, HostReport(self.wall))
            silent = {i: dead for i in ids if report.of(i).stage is Stage.SILENT}
            said[host] = report._replace(bans={**report.bans, **silent})
        return said


class AbsenceIsDeath(_Broken):
    state = _CredulousState


class _HastyCoordinator(Coordinator):
    """Ends its ban when it has answered, whatever Pacemaker has recorded."""

    def _remove(self, fence: Fence, there: Ban, _view: View) -> None:
        if self._is_due(fence):
            fence.ticket = self._state.ticket()
            self._state.act(RemoveExpired(fence.ticket, there))


class EarlyEnd(_Broken):
    coordinator = _HastyCoordinator


class _CredulousSilence(SilentHosts):
    """Where a silent host's entry is missing, nothing runs."""

    def verdict(self, case: Case, host: str, now: History | None) -> Verdict:
        return Verdict.DEAD if now is None else super().verdict(case, host, now)


class MissingIsDeath(_Broken):
    silent_hosts = _CredulousSilence


class _HastySilence(SilentHosts):
    """An entry that has ended is good enough, however old."""

    def verdict(self, case: Case, host: str, now: History | None) -> Verdict:
        is_ended = now is not None and now.ended
        return Verdict.DEAD if is_ended else super().verdict(case, host, now)


class OldRecordIsDeath(_Broken):
    silent_hosts = _HastySilence


class DoesNotCarryWhatItRepeats(Machine):
    """An answer that is repeated is checked by what is remembered when it leaves. A request whose
    time ends in the same step may have pushed just that out, and the check ended the daemon."""

    def _check_answer(self, action: Answer) -> None:
        request = self._open[action.number]
        if not request.refusal and request.operation.is_fence and self._state.may_speak:
            is_hopeless = request.seconds <= MARGIN_S
            hold(is_hopeless or self._state.answered(request), "P2: an answer without its record")
        super()._check_answer(action)
