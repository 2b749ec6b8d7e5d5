# SPDX-License-Identifier: GPL-2.0-or-later
"""The bans of one fence, as the hosts' copies of the CIB have them. Pure."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
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


class Copy(NamedTuple):
    """A host's file, with the version of the configuration in it: admin_epoch and epoch."""

    stamp: Stamp
    version: tuple[int, int]
    bans: frozenset[Ban]


class Copies:
    """What each host's copy says. What a host had when its Pacemaker ended bars nobody; it comes
    back with that, and writes it anew, until the others' newer one is its own."""

    def __init__(self) -> None:
        self._copies: dict[str, Copy] = {}
        self._left: dict[str, tuple[int, int]] = {}
        self._banned: dict[str, Banned] = {}

    def knows(self, host: str, stamp: Stamp) -> bool:
        """Whether there is nothing new in the host's file."""
        return host in self._copies and self._copies[host].stamp == stamp

    def read(self, host: str, copy: Copy) -> None:
        self._copies[host] = copy

    def leave(self, host: str) -> None:
        """Its Pacemaker has ended, and what was read last is what it has left."""
        if host in self._copies:
            self._left[host] = self._copies[host].version

    def look(self, now: float) -> None:
        """Note what is there at this time of day, and what is gone."""
        there = [one for copy in self._standing() for one in copy.bans]
        # They may differ for a moment: the later end was written last.
        for one in sorted(there, key=lambda one: one.end):
            known = self._banned.get(one.id)
            first_s = now if known is None else known.first_s
            self._banned[one.id] = Banned(one.id, one.operation, first_s, None, one.end)
        ids = {one.id for one in there}
        for ban_id, banned in self._banned.items():
            if ban_id not in ids and banned.gone_s is None:
                self._banned[ban_id] = banned._replace(gone_s=now)

    def _standing(self) -> list[Copy]:
        """Those in which a ban bars."""
        return [
            copy
            for host, copy in self._copies.items()
            if host not in self._left or copy.version > self._left[host]
        ]

    def banned(self) -> list[Banned]:
        """In the order in which they were seen."""
        return sorted(self._banned.copy().values(), key=lambda one: one.first_s)


class NewestCopies(Copies):
    """Of hosts of which most decide: only the newest copy bars. An older one is that of a host
    whose CIB manager is stopped, which is cut off from the others, or whose disk is full."""

    def _standing(self) -> list[Copy]:
        standing = super()._standing()
        newest = max((copy.version for copy in standing), default=None)
        return [copy for copy in standing if copy.version == newest]
