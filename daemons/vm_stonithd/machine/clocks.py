# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the hosts' clocks agree, by the times of day in their words. Pure.

A host's `up` was written between two readings of the words: the one that shows it first, and the
one before. So its clock is ahead by something between two bounds that are as far apart as these
readings. What several samples say together is narrower, and stays so while the clocks run evenly.
A sample that contradicts the ones before tells that a clock was set, and stands alone.

The hosts agree only if that is so at both bounds. What that is worth: a clock that was set by less
than the pause P between two readings may pass for what it was, until a sample contradicts; and a
word may have been on its way for S (report_exchange.SAY_S). So two clocks that agree are at most
MOST_APART_S + P + S = 10 + 4 + 3 = 17 s apart, and 10 + S where none was set. An OK needs 20 s of
lease by the coordinator's clock (proof.LEAST_LEASE_S): the ban is live by all the others, too. A
ban is taken for expired 15 s after its end by one's own clock: by any other it may have 2 s left
then, with which no OK is given, and none is revived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_APART_S = 10.0
# `up` is rewritten every 5 s; a host that left it three times is silent, its clock unknown.
SILENT_S = 15.0
# Of two bounds of which nobody need know more.
CLOSE_S = 1.5
# How fast two clocks may come apart: what adjusts them slowly does so by 0.0005 at most.
DRIFT = 0.001


class Bounds(NamedTuple):
    """What another host's time of day is ahead of this host's monotonic clock; at: when."""

    low: float
    high: float
    at: float

    def aged(self, now: float) -> Bounds:
        drift = (now - self.at) * DRIFT
        return Bounds(self.low - drift, self.high + drift, now)

    def with_sample(self, sample: Bounds) -> Bounds:
        old = self.aged(sample.at)
        both = Bounds(max(old.low, sample.low), min(old.high, sample.high), sample.at)
        return both if both.low <= both.high else sample


class Clocks:
    """How far the others' clocks are from mine.

    Only an `up` that changed under one's eyes is compared: how old another is nobody knows.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}
        self._ahead: dict[str, Bounds] = {}

    def heard(self, host: str, up: float, *, now: float, since: float) -> None:
        """since: when the reading before this one was begun."""
        last = self._last.get(host)
        if last is None:
            self._last[host] = (up, now)
        elif last[0] != up:
            self._last[host] = (up, now)
            sample = Bounds(up - now, up - since, now)
            known = self._ahead.get(host)
            self._ahead[host] = sample if known is None else known.with_sample(sample)

    def forget_but(self, hosts: Iterable[str]) -> None:
        """A host whose words vanished is measured anew when it speaks again."""
        gone = set(self._last) - set(hosts)
        for host in gone:
            del self._last[host]
            self._ahead.pop(host, None)

    def is_silent(self, host: str, now: float) -> bool:
        return host not in self._last or now - self._last[host][1] > SILENT_S

    def are_close(self, now: float) -> bool:
        """Whether no host that speaks has to be measured more closely."""
        speaking = [host for host in self._last if not self.is_silent(host, now)]
        bounds = [self._ahead[host].aged(now) for host in speaking if host in self._ahead]
        is_close = all(each.high - each.low <= CLOSE_S for each in bounds)
        return is_close and len(bounds) == len(speaking)

    def disagreement(self, hosts: Iterable[str], *, now: float, wall: float) -> str:
        """Why they don't agree, empty if they do. A host that says nothing has no clock."""
        speaking = [host for host in sorted(hosts) if not self.is_silent(host, now)]
        unknown = [host for host in speaking if host not in self._ahead]
        if unknown:
            return f"clocks: {unknown[0]}'s is not measured yet"
        # Of my own clock, too, it is seen at once that somebody has set it.
        mine = wall - now
        bounds = {host: self._ahead[host].aged(now) for host in speaking}
        low = {host: each.low - mine for host, each in bounds.items()}
        high = {host: each.high - mine for host, each in bounds.items()}
        if max([0.0, *low.values()]) - min([0.0, *high.values()]) > MOST_APART_S:
            worst = max(low, key=lambda host: abs(low[host]))
            return f"clocks: {worst}'s is {low[worst]:+.0f} s from here"
        if max([0.0, *high.values()]) - min([0.0, *low.values()]) > MOST_APART_S:
            worst = max(low, key=lambda host: high[host] - low[host])
            return f"clocks: {worst}'s is not measured closely enough yet"
        return ""
