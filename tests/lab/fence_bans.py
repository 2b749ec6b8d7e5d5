# SPDX-License-Identifier: GPL-2.0-or-later
"""The bans of one fence, as the hosts' copies of the CIB have them. Pure."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pmkvm.fencing.ban import Ban

    # Of a file: its inode and when it was written.
    Stamp = tuple[int, int]


class Banned(NamedTuple):
    """One ban id: seen first, and gone from all copies that count (None: still there).

    end_s: of its lease, as it was written last.
    """

    id: str
    operation: str
    first_s: float
    gone_s: float | None
    end_s: float


class Copies:
    """What each host's copy says. That of a host whose Pacemaker has ended bars nobody, and none
    when it comes back, until the cluster writes it anew."""

    def __init__(self) -> None:
        self._copies: dict[str, tuple[Stamp, frozenset[Ban]]] = {}
        self._left: dict[str, Stamp] = {}
        self._banned: dict[str, Banned] = {}

    def knows(self, host: str, stamp: Stamp) -> bool:
        """Whether there is nothing new in the host's file."""
        has_read = host in self._copies and self._copies[host][0] == stamp
        return has_read or self._left.get(host) == stamp

    def read(self, host: str, stamp: Stamp, bans: Iterable[Ban]) -> None:
        self._copies[host] = (stamp, frozenset(bans))

    def leave(self, host: str, stamp: Stamp) -> None:
        """Its Pacemaker has ended, and this is the file that it has left."""
        self._copies.pop(host, None)
        self._left[host] = stamp

    def look(self, now: float) -> None:
        """Note what is there at this time of day, and what is gone."""
        there = [one for _, bans in self._copies.values() for one in bans]
        # They may differ for a moment: the later end was written last.
        for one in sorted(there, key=lambda one: one.end):
            known = self._banned.get(one.id)
            first_s = now if known is None else known.first_s
            self._banned[one.id] = Banned(one.id, one.operation, first_s, None, one.end)
        ids = {one.id for one in there}
        for ban_id, banned in self._banned.items():
            if ban_id not in ids and banned.gone_s is None:
                self._banned[ban_id] = banned._replace(gone_s=now)

    def banned(self) -> list[Banned]:
        """In the order in which they were seen."""
        return sorted(self._banned.copy().values(), key=lambda one: one.first_s)
