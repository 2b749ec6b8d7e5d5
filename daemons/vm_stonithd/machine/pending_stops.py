# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's debts: touched, dropped when void or paid, settled by a ban of their own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model.actions import ReadDebts, RemoveDebt, TouchDebt
from daemons.vm_stonithd.model.facts import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.machine.state import Knowledge
    from daemons.vm_stonithd.model.events import DebtsSeen
    from daemons.vm_stonithd.model.facts import View
    from pmkvm.fencing.pending_stop import Debt
    from pmkvm.process import Life

EVERY_S = 1.0
TOUCH_S = 60.0
# A debt may be younger than a view that is older than this: it is no judge of it.
FRESH_S = 3.0
# A stop that Pacemaker does not make in this time is nobody's any more.
PATIENCE_S = 300.0


class Payment:
    """Reads the CIB first, then the debts: else a settle would stop a fresh start."""

    def __init__(self, knowledge: Knowledge, settle: Callable[[Debt, str, int], None]) -> None:
        self._know = knowledge
        self._settle = settle
        self._ticket = 0
        self._read_at = float("-inf")
        # The CIB as it was before the debts were read.
        self._before: View | None = None
        self._before_at = float("-inf")
        self._since: dict[str, tuple[str, float]] = {}

    def advance(self) -> None:
        know = self._know
        if know.view is None or know.now - self._read_at < EVERY_S:
            return
        self._read_at = know.now
        self._before, self._before_at = know.view, know.seen_at
        self._ticket = know.ticket()
        know.act(ReadDebts(self._ticket))

    def seen(self, event: DebtsSeen) -> None:
        if event.ticket != self._ticket or self._before is None:
            return
        if self._know.now - self._before_at > FRESH_S:
            # While nothing was under way; with a debt there the CIB is read each second.
            return
        self._since = {r: kept for r, kept in self._since.items() if r in event.debts}
        for resource, (debt, lives) in event.debts.items():
            self._judge(self._before, resource, debt, lives)

    def _judge(self, view: View, resource: str, debt: Debt, lives: tuple[Life, ...]) -> None:
        know = self._know
        ban_id, since = self._since.get(resource, ("", know.now))
        if ban_id != debt.ban_id:
            since = know.now
        self._since[resource] = (debt.ban_id, since)
        if debt.is_void(lives, know.now) or self._is_paid(view, resource):
            know.act(RemoveDebt(resource, debt))
        elif know.now - since > PATIENCE_S and resource not in view.bans:
            know.log(f"{resource}: Pacemaker has not stopped it in 5 minutes, debt dropped")
            know.act(RemoveDebt(resource, debt))
        else:
            if know.now - debt.stamp > TOUCH_S:
                know.act(TouchDebt(resource, debt))
            self._settle_if_due(view, resource, debt)

    def _is_paid(self, view: View, resource: str) -> bool:
        """Ended here with no ban; a live migration that is still on its way may bring it back."""
        leaving = (view.history(host, resource) for host in view.members)
        on_its_way = any(entry is not None and entry.is_leaving for entry in leaving)
        ended = view.has_ended(self._know.host, resource)
        return ended and resource not in view.bans and not on_its_way

    def _settle_if_due(self, view: View, resource: str, debt: Debt) -> None:
        """Pacemaker believes that it runs here, and nothing of it is under way."""
        here = view.history(self._know.host, resource)
        state = view.resources.get(resource)
        if here is None or here.recorded or here.pending or state is None or not state.managed:
            return
        ban = view.bans.get(resource)
        if ban is not None and ban.is_live(self._know.wall):
            return
        others = [host for host in view.members if host != self._know.host]
        if not view.quorum or not all(view.has_ended(host, resource) for host in others):
            return
        if view.hosts.get(self._know.host) is Standing.OK:
            self._settle(debt, resource, here.call_id)
