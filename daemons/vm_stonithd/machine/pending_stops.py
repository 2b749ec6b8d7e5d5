# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's pending stops: touched, dropped when void or settled, and settled by a ban of their
own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model.actions import ReadPendingStops, RemovePendingStop, TouchPendingStop
from daemons.vm_stonithd.model.facts import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

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


class PendingStops:
    """Reads the CIB first, then the pending stops: else a settle would stop a fresh start."""

    def __init__(self, state: State, settle: Callable[[PendingStop, str, int], None]) -> None:
        self._state = state
        self._settle = settle
        self._ticket = 0
        self._read_at = float("-inf")
        # The CIB as it was before the pending stops were read.
        self._before: View | None = None
        self._before_at = float("-inf")
        self._since: dict[str, tuple[str, float]] = {}

    def advance(self) -> None:
        state = self._state
        if state.view is None or state.now - self._read_at < EVERY_S:
            return
        self._read_at = state.now
        self._before, self._before_at = state.view, state.seen_at
        self._ticket = state.ticket()
        state.act(ReadPendingStops(self._ticket))

    def seen(self, event: PendingStopsSeen) -> None:
        if event.ticket != self._ticket or self._before is None:
            return
        if self._state.now - self._before_at > FRESH_S:
            # While nothing was under way; with a pending stop there the CIB is read each second.
            return
        self._since = {r: kept for r, kept in self._since.items() if r in event.pending_stops}
        for resource, (pending_stop, lives) in event.pending_stops.items():
            self._judge(self._before, resource, pending_stop, lives)

    def _judge(
        self, view: View, resource: str, pending_stop: PendingStop, lives: tuple[Life, ...]
    ) -> None:
        state = self._state
        ban_id, since = self._since.get(resource, ("", state.now))
        if ban_id != pending_stop.ban_id:
            since = state.now
        self._since[resource] = (pending_stop.ban_id, since)
        if pending_stop.is_void(lives, state.now) or self._is_paid(view, resource):
            state.act(RemovePendingStop(resource, pending_stop))
        elif state.now - since > PATIENCE_S and resource not in view.bans:
            state.log(
                f"{resource}: Pacemaker has not stopped it in 5 minutes, pending stop dropped"
            )
            state.act(RemovePendingStop(resource, pending_stop))
        else:
            if state.now - pending_stop.stamp > TOUCH_S:
                state.act(TouchPendingStop(resource, pending_stop))
            self._settle_if_due(view, resource, pending_stop)

    def _is_paid(self, view: View, resource: str) -> bool:
        """Ended here with no ban; a live migration that is still on its way may bring it back."""
        leaving = (view.history(host, resource) for host in view.members)
        on_its_way = any(entry is not None and entry.is_leaving for entry in leaving)
        ended = view.has_ended(self._state.host, resource)
        return ended and resource not in view.bans and not on_its_way

    def _settle_if_due(self, view: View, resource: str, pending_stop: PendingStop) -> None:
        """Pacemaker believes that it runs here, and nothing of it is under way."""
        here = view.history(self._state.host, resource)
        state = view.resources.get(resource)
        if here is None or here.recorded or here.pending or state is None or not state.managed:
            return
        ban = view.bans.get(resource)
        if ban is not None and ban.is_live(self._state.wall):
            return
        others = [host for host in view.members if host != self._state.host]
        if not view.quorum or not all(view.has_ended(host, resource) for host in others):
            return
        if view.hosts.get(self._state.host) is Standing.OK:
            self._settle(pending_stop, resource, here.call_id)
