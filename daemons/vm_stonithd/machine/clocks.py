# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the hosts' clocks agree, by the times of day in their words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_APART_S = 10.0
# `up` is rewritten every 5 s; a host that left it three times is silent, its clock unknown.
SILENT_S = 15.0


class Clocks:
    """How far the others' clocks are from mine.

    Only an `up` that changed under one's eyes is compared: how old another is nobody knows.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}
        self._ahead: dict[str, float] = {}

    def heard(self, host: str, up: float, *, now: float, wall: float) -> None:
        last = self._last.get(host)
        if last is None:
            self._last[host] = (up, now)
        elif last[0] != up:
            self._last[host] = (up, now)
            self._ahead[host] = up - wall

    def forget_but(self, hosts: Iterable[str]) -> None:
        """A host whose words vanished is measured anew when it speaks again."""
        gone = set(self._last) - set(hosts)
        for host in gone:
            del self._last[host]
            self._ahead.pop(host, None)

    def is_silent(self, host: str, now: float) -> bool:
        return host not in self._last or now - self._last[host][1] > SILENT_S

    def disagreement(self, hosts: Iterable[str], now: float) -> str:
        """Why they don't agree, empty if they do. A host that says nothing has no clock."""
        speaking = [host for host in sorted(hosts) if not self.is_silent(host, now)]
        unknown = [host for host in speaking if host not in self._ahead]
        if unknown:
            return f"clocks: {unknown[0]}'s is not measured yet"
        ahead = {host: self._ahead[host] for host in speaking}
        apart = max([0.0, *ahead.values()]) - min([0.0, *ahead.values()])
        if apart > MOST_APART_S:
            worst = max(ahead, key=lambda host: abs(ahead[host]))
            return f"clocks: {worst}'s is {ahead[worst]:+.0f} s from here"
        return ""
