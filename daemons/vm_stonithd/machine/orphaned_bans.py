# SPDX-License-Identifier: GPL-2.0-or-later
"""Bans of this host's that no request is known for: of before a restart, of a late write, or of a
fence that an error of ours has ended. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemons.vm_stonithd.machine.state import State
    from pmkvm.fencing.ban import Ban

# A coordinator that restarted waits so long for resends.
RESEND_S = 3.0


class OrphanedBans:
    """Each is to be ended once it has been one for RESEND_S."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._since: dict[str, float] = {}

    def add(self, ban: Ban) -> None:
        """Of a fence that failed; not ended at once: what fails each time must not fill the log."""
        self._since[ban.id] = self._state.now

    def due(self, fenced: Collection[str]) -> list[Ban]:
        """fenced: the targets that have a fence on the books."""
        state = self._state
        bans = state.view.bans.values() if state.view is not None else ()
        mine = [ban for ban in bans if ban.coordinator == state.host and ban.resource not in fenced]
        mine = [ban for ban in mine if not state.is_held_off(ban)]
        self._since = {ban.id: self._since.get(ban.id, state.now) for ban in mine}
        return [ban for ban in mine if state.now - self._since[ban.id] >= RESEND_S]
