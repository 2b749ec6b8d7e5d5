# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host does at the bans that its CIB shows: kill, bar, look again, say dead. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine import proof
from daemons.vm_stonithd.model import pace
from daemons.vm_stonithd.model.actions import (
    Kill,
    KillHelpers,
    Look,
    RemoveExpired,
    WritePendingStop,
)
from daemons.vm_stonithd.model.events import Doubt
from daemons.vm_stonithd.model.host_report import BanReport, Objection, Stage
from daemons.vm_stonithd.model.invariants import known
from pmkvm.fencing.ban import SETTLE
from pmkvm.fencing.pending_stop import PendingStop

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.state import State
    from daemons.vm_stonithd.model.events import Killed, Looked
    from pmkvm.fencing.ban import Ban
    from pmkvm.process import Life

# A ban is obeyed when first seen with so much of its lease ahead of my clock.
SHORTEST_S, LONGEST_S = 20.0, 75.0
# In a daemon's first seconds the ban may be older than it.
YOUNG_S = 5.0
EXPIRED_S = 15.0
# What came without anybody's doing is looked for each second, a dying QEMU more often.
AGAIN_S, SOON_S = 1.0, 0.05
RETRY_S = 2.0
# A QEMU that has not died by then waits for something; its helpers go as well.
HELPERS_S = 1.0
# How long a probe is waited for where Pacemaker says nothing of the target.
PROBE_S = 5.0


class BanWatch:
    """One ban and how far this host has come under it. At most one Look or Kill is out."""

    def __init__(self, ban: Ban) -> None:
        self.ban = ban
        self.is_accepted = False
        self.has_pending_stop = False
        # Whether this host has killed one under the ban.
        self.has_killed = False
        # When the ban was first seen: whether Pacemaker had a life of it here then, and when that
        # was if Pacemaker said nothing of it at all.
        self.had_life = False
        self.untold_since: float | None = None
        # When its helpers are due, and the QEMUs that were there when this began.
        self.helpers_at = float("inf")
        self.lives: tuple[Life, ...] = ()
        self.ticket = 0
        # The bars that were seen when the Look that is out was asked for.
        self.bars: frozenset[str] = frozenset()
        self.look_at = float("-inf")
        # When it was first seen, or this host's word about it or the others' bars last changed.
        self.changed_at = float("-inf")


class Participant:
    """This host's part of every fence: it says barred and dead, each by a look of its own.

    barred: the CIB shows the ban, no start holds the lock, no QEMU of the uuid has a thread, and
    nothing says that the resource's guest is to be found elsewhere than under that uuid.
    dead: the same, looked for after all members had barred.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._watches: dict[str, BanWatch] = {}
        self._removals: dict[str, float] = {}

    def advance(self) -> None:
        view = self._state.view
        if view is None or not self._state.may_speak:
            return
        for resource in [r for r, watch in self._watches.items() if self._is_over(r, watch)]:
            del self._watches[resource]
        there = {ban.id for ban in view.bans.values()}
        self._removals = {ban: at for ban, at in self._removals.items() if ban in there}
        for resource, ban in view.bans.items():
            self._remove_expired(ban)
            if ban.operation == SETTLE:
                # It kills nothing: Pacemaker's stop is all that it is for.
                continue
            watch = self._watches.get(resource)
            if watch is None:
                watch = self._watches[resource] = BanWatch(ban)
                watch.changed_at = self._state.now
                history = view.history(self._state.host, resource)
                watch.had_life = history is not None and history.has_life
                watch.untold_since = self._state.now if history is None else None
            watch.ban = ban
            self._accept(watch)
            if watch.is_accepted and ban.is_live(self._state.wall):
                self._look(watch)

    def quiet_s(self, now: float) -> float:
        """For the ban that last changed of those that are not proven yet."""
        if not self._watches:
            return pace.NOTHING
        proven = self._state.proven()
        open_ = (one for one in self._watches.values() if one.ban.id not in proven)
        return now - max((one.changed_at for one in open_), default=-pace.NOTHING)

    def looked(self, event: Looked) -> None:
        watch = self._waiting(event.ticket)
        if watch is None:
            return
        if event.doubt is not None:
            self._object(watch, event.doubt)
        elif event.lives:
            if self._state.own(watch.ban.id).stage is not Stage.SILENT:
                self._state.log(f"{watch.ban.resource}: a QEMU came under the ban")
            self._say(watch, BanReport())
            self._kill(watch, event)
        elif event.is_locked:
            watch.look_at = self._state.now + SOON_S
        elif self._misses(watch, event):
            text = "neither a QEMU nor a record of it is found, and Pacemaker does not say stopped"
            self._object(watch, Doubt(Objection.MISSING, text))
        else:
            self._attest(watch)

    def _misses(self, watch: BanWatch, event: Looked) -> bool:
        """Whether a life that Pacemaker has here is accounted for by nothing.

        The uuid of the ban comes from one host's definition, which may have been edited while the
        guest runs. So that no QEMU has this uuid proves nothing by itself where Pacemaker has the
        guest running: this host must remember that the resource's guest had this uuid, or must
        have killed one, or Pacemaker must have recorded the end. Where Pacemaker says nothing at
        all, as after a refresh, its probe is waited for, but not for ever: with
        resource-discovery=never none comes.
        """
        if watch.has_killed or event.is_remembered:
            return False
        history = known(self._state.view).history(self._state.host, watch.ban.resource)
        if watch.untold_since is not None:
            if history is None:
                return self._state.now - watch.untold_since < PROBE_S
            watch.had_life, watch.untold_since = history.has_life, None
        return watch.had_life and (history is None or not history.ended)

    def _object(self, watch: BanWatch, doubt: Doubt) -> None:
        """It says why it can't say more; whatever it has said before is taken back."""
        report = BanReport(objection=doubt.objection)
        if self._state.own(watch.ban.id) != report:
            self._state.log(f"{watch.ban.resource}: not proven here: {doubt.why}")
        self._say(watch, report)
        watch.look_at = self._state.now + AGAIN_S

    def killed(self, event: Killed) -> None:
        watch = self._waiting(event.ticket)
        if watch is not None:
            watch.look_at = self._state.now + SOON_S

    def _is_over(self, resource: str, watch: BanWatch) -> bool:
        ban = known(self._state.view).bans.get(resource)
        return ban is None or ban.id != watch.ban.id

    def _accept(self, watch: BanWatch) -> None:
        if watch.is_accepted:
            return
        ahead = watch.ban.end - self._state.wall
        young = self._state.now - self._state.started < YOUNG_S
        watch.is_accepted = (0.0 if young else SHORTEST_S) <= ahead <= LONGEST_S
        objection = None if watch.is_accepted else Objection.CLOCK
        self._say(watch, self._state.own(watch.ban.id)._replace(objection=objection))

    def _look(self, watch: BanWatch) -> None:
        """Again when the bars of more hosts are there, and in any case each second."""
        if watch.ticket:
            return
        bars = proof.bars(watch.ban.id, self._state.everyone())
        all_barred = self.are_all_barred(known(self._state.view).members, bars)
        report = self._state.own(watch.ban.id)
        is_news = report.stage is not Stage.SILENT and all_barred and not bars <= report.saw
        if is_news:
            watch.changed_at = self._state.now
        if is_news or self._state.now >= watch.look_at:
            watch.bars = bars if all_barred else frozenset()
            watch.ticket = self._state.ticket()
            self._state.act(Look(watch.ticket, watch.ban.resource, watch.ban.uuid))

    def are_all_barred(self, members: frozenset[str], bars: frozenset[str]) -> bool:
        """Whether nothing can start the target any more: the first round is over."""
        return members <= bars

    def _kill(self, watch: BanWatch, event: Looked) -> None:
        """The pending stop is for the life that Pacemaker has yet to stop: the one that came
        last."""
        owed = max(event.lives, key=lambda life: life.start_time)
        pending_stop = PendingStop(watch.ban.id, watch.ban.uuid, owed, self._state.now)
        if set(event.lives) != set(watch.lives):
            watch.lives, watch.helpers_at = event.lives, self._state.now + HELPERS_S
        elif self._state.now >= watch.helpers_at:
            watch.helpers_at = self._state.now + HELPERS_S
            self._state.act(KillHelpers(watch.ban, event.lives))
        watch.has_pending_stop = watch.has_killed = True
        watch.ticket = self._state.ticket()
        self._state.act(Kill(watch.ticket, watch.ban, event.lives, pending_stop))

    def _attest(self, watch: BanWatch) -> None:
        self._owe(watch)
        report = self._state.own(watch.ban.id)
        stage = Stage.BARRED
        if report.stage is not Stage.SILENT and watch.bars:
            stage = Stage.DEAD
        if stage > report.stage or not watch.bars <= report.saw:
            self._say(watch, BanReport(max(stage, report.stage), watch.bars | report.saw))
        watch.look_at = self._state.now + AGAIN_S

    def _owe(self, watch: BanWatch) -> None:
        """None lives and Pacemaker has not seen the end of it: its monitor must not say so."""
        view = self._state.view
        if watch.has_pending_stop or view is None:
            return
        if not view.has_ended(self._state.host, watch.ban.resource):
            watch.has_pending_stop = True
            pending_stop = PendingStop(watch.ban.id, watch.ban.uuid, None, self._state.now)
            self._state.act(WritePendingStop(watch.ban.resource, pending_stop))

    def _remove_expired(self, ban: Ban) -> None:
        """Any vm-stonithd does, by clocks that agree."""
        state = self._state
        if state.wall < ban.end + EXPIRED_S or state.disagreement():
            return
        if state.now - self._removals.get(ban.id, float("-inf")) >= RETRY_S:
            self._removals[ban.id] = state.now
            state.log(f"{ban.resource}: removing the ban of {ban.coordinator}, which has run out")
            state.act(RemoveExpired(state.ticket(), ban))

    def _waiting(self, ticket: int) -> BanWatch | None:
        """The watch that waits for this; none if its ban has gone meanwhile."""
        for watch in self._watches.values():
            if watch.ticket == ticket:
                watch.ticket = 0
                return watch
        return None

    def _say(self, watch: BanWatch, report: BanReport) -> None:
        if report != self._state.own(watch.ban.id):
            watch.changed_at = self._state.now
        self._state.report(watch.ban.id, report)
