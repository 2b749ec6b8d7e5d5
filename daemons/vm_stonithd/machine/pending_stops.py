# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's pending stops: touched, dropped when void or settled, or found due for a ban of
their own that settles them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.model.actions import ReadPendingStops, RemovePendingStop, TouchPendingStop
from daemons.vm_stonithd.model.facts import Standing

if TYPE_CHECKING:
    from daemons.vm_stonithd.machine.state import State
    from daemons.vm_stonithd.model.events import PendingStopsSeen
    from daemons.vm_stonithd.model.facts import View
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.process import Life

EVERY_S = 1.0
TOUCH_S = 60.0
# A pending stop may be younger than a view that is older than this: it is no judge of it.
FRESH_S = 3.0
# A stop that Pacemaker does not make in this time is nobody's any more.
PATIENCE_S = 300.0


class Settlement(NamedTuple):
    """A pending stop that only a ban of its own can settle: call_id is of what Pacemaker has of
    the resource here."""

    resource: str
    pending_stop: PendingStop
    call_id: int


class PendingStops:
    """Reads the CIB first, then the pending stops: else a settle would stop a fresh start."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._ticket = 0
        self._read_at = float("-inf")
        # The CIB as it was before the pending stops were read.
        self._before: View | None = None
        self._before_at = float("-inf")
        self._since: dict[str, tuple[str, float]] = {}
        # By the last reading.
        self.are_there = False

    def advance(self) -> None:
        state = self._state
        if state.view is None or state.now - self._read_at < EVERY_S:
            return
        self._read_at = state.now
        self._before, self._before_at = state.view, state.seen_at
        self._ticket = state.ticket()
        state.act(ReadPendingStops(self._ticket))

    def seen(self, event: PendingStopsSeen) -> list[Settlement]:
        """Which of them are to be settled now."""
        self.are_there = bool(event.pending_stops)
        view = self._before
        if event.ticket != self._ticket or view is None:
            return []
        if self._state.now - self._before_at > FRESH_S:
            # While nothing was under way; with a pending stop there the CIB is read each second.
            return []
        self._since = {r: kept for r, kept in self._since.items() if r in event.pending_stops}
        kept = [
            (resource, pending_stop)
            for resource, (pending_stop, lives) in event.pending_stops.items()
            if self._is_kept(view, resource, pending_stop, lives)
        ]
        found = (self._settlement(view, resource, pending_stop) for resource, pending_stop in kept)
        return [each for each in found if each is not None]

    def _is_kept(
        self, view: View, resource: str, pending_stop: PendingStop, lives: tuple[Life, ...]
    ) -> bool:
        state = self._state
        ban_id, since = self._since.get(resource, ("", state.now))
        if ban_id != pending_stop.ban_id:
            since = state.now
        self._since[resource] = (pending_stop.ban_id, since)
        is_over = pending_stop.is_void(lives, state.now) or self._is_paid(view, resource)
        is_late = state.now - since > PATIENCE_S and resource not in view.bans
        if is_over or is_late:
            if not is_over:
                text = "Pacemaker has not stopped it in 5 minutes, pending stop dropped"
                state.log(f"{resource}: {text}")
            state.act(RemovePendingStop(resource, pending_stop))
            return False
        if state.now - pending_stop.stamp > TOUCH_S:
            state.act(TouchPendingStop(resource, pending_stop))
        return True

    def _is_paid(self, view: View, resource: str) -> bool:
        """Ended here with no ban; a live migration that is still on its way may bring it back."""
        leaving = (view.history(host, resource) for host in view.members)
        on_its_way = any(entry is not None and entry.is_leaving for entry in leaving)
        ended = view.has_ended(self._state.host, resource)
        return ended and resource not in view.bans and not on_its_way

    def _settlement(
        self, view: View, resource: str, pending_stop: PendingStop
    ) -> Settlement | None:
        """Due where Pacemaker believes that it runs here, and nothing of it is under way."""
        here = view.history(self._state.host, resource)
        state = view.resources.get(resource)
        if here is None or here.recorded or here.pending or state is None or not state.managed:
            return None
        ban = view.bans.get(resource)
        if ban is not None and ban.is_live(self._state.wall):
            return None
        others = [host for host in view.members if host != self._state.host]
        if not view.quorum or not all(view.has_ended(host, resource) for host in others):
            return None
        if view.hosts.get(self._state.host) is not Standing.OK:
            return None
        return Settlement(resource, pending_stop, here.call_id)
