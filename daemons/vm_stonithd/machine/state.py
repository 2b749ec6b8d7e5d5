# SPDX-License-Identifier: GPL-2.0-or-later
"""What one host's vm-stonithd knows at this moment, and what it wants done. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.machine.clocks import Clocks
from daemons.vm_stonithd.model import events
from daemons.vm_stonithd.model.actions import Log, ReadCib
from daemons.vm_stonithd.model.host_report import (
    MOST_DONE,
    BanReport,
    Done,
    HostReport,
    dispensable,
)
from pmkvm.fencing.ban import OFF
from pmkvm.service.bucket import Quota
from pmkvm.tokens import key_report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemons.vm_stonithd.model.actions import Action
    from daemons.vm_stonithd.model.events import Event, ReportsSeen
    from daemons.vm_stonithd.model.facts import Request, View
    from pmkvm.fencing.ban import Ban
    from pmkvm.tokens.key_report import KeyReport

REMEMBERED_S = 600.0


class State:
    """Shared by the machine's parts. What I say is kept here and said again when it is lost."""

    def __init__(self, host: str, draw_id: Callable[[], str], now: float) -> None:
        self.host = host
        self.draw_id = draw_id
        self.started = now
        self.now = now
        self.wall = 0.0
        self.view: View | None = None
        # When the last reading that was whole was begun: the view is of that one or a later one.
        self.seen_at = float("-inf")
        # The latest of one's own ReadCib that was answered.
        self.read = 0
        self.reports: Mapping[str, HostReport] = {}
        # When the reading of the words that came last was begun; none yet: nothing is said.
        self.heard_at = float("-inf")
        self.clocks = Clocks()
        # By the id of each ban that the CIB shows: what this host says of itself, and the members
        # that a coordinator here has judged by Pacemaker's record (`for`).
        self._own: dict[str, BanReport] = {}
        self._judged: dict[str, frozenset[str]] = {}
        self.keys: tuple[KeyReport, ...] = ()
        # What one's own words said of the keys before a restart.
        self._keys_before: tuple[KeyReport, ...] = ()
        self.actions: list[Action] = []
        self._done: list[tuple[float, Done]] = []
        self._tickets = 0
        # By the resource of the guest that asks.
        self._quotas: dict[str, Quota] = {}

    def ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def act(self, action: Action) -> None:
        self.actions.append(action)

    def log(self, text: str, asked: Request | None = None) -> None:
        """asked: whose line it is, who may cause only so many."""
        more: str | None = ""
        if asked is not None:
            quota = self._quotas.setdefault(asked.requester, Quota(self.now))
            more = quota.take(self.now)
        if more is not None:
            self.act(Log(f"{text}{more}"))

    def error(self, text: str) -> None:
        """Of our own, which nobody's request can be blamed for."""
        self.act(Log(text, is_error=True))

    def read_cib(self) -> int:
        """Ask for a reading that is newer than all that has happened so far."""
        ticket = self.ticket()
        self.act(ReadCib(ticket))
        return ticket

    def take(self, event: Event) -> None:
        """What it says of the cluster and of this host."""
        if isinstance(event, events.CibSeen):
            self.view = event.view
            if event.is_whole:
                self.seen_at = event.began
            bans = {ban.id for ban in event.view.bans.values()}
            self._own = {i: report for i, report in self._own.items() if i in bans}
            self._judged = {i: hosts for i, hosts in self._judged.items() if i in bans}
            self.read = max(self.read, event.ticket)
        elif isinstance(event, events.ReportsSeen):
            self._hear(event)
        elif isinstance(event, events.KeysSeen):
            self.keys = event.keys
        self._forget()

    def _hear(self, event: ReportsSeen) -> None:
        is_first = self.heard_at == float("-inf")
        since, self.heard_at = self.heard_at, event.began
        self.reports = event.reports
        if is_first and self.host in event.reports:
            # A restart: what was answered must not be done again.
            self._done = [(self.now, one) for one in event.reports[self.host].done] + self._done
            self._keys_before = event.reports[self.host].keys
        for host, said in event.reports.items():
            if host != self.host:
                self.clocks.heard(host, said.up, now=self.now, since=since)
        self.clocks.forget_but(event.reports)

    @property
    def may_speak(self) -> bool:
        """One's own words of before a restart are read before they are overwritten."""
        return self.heard_at > float("-inf")

    def disagreement(self) -> str:
        others = (self.view.members if self.view else frozenset()) - {self.host}
        return self.clocks.disagreement(others, now=self.now, wall=self.wall)

    @property
    def speaks_of_bans(self) -> bool:
        """Whether any host that speaks has something to say under a ban, seen here or not."""
        said = self.reports.items()
        return any(
            report.bans and (host == self.host or not self.clocks.is_silent(host, self.now))
            for host, report in said
        )

    def finish(self, done: Done) -> None:
        if all(one != done for _, one in self._done):
            self._done.append((self.now, done))
            self._forget()

    def _forget(self) -> None:
        """Answers that are old, or more than can be said."""
        fresh = [(at, one) for at, one in self._done if self.now - at < REMEMBERED_S]
        while len(fresh) > MOST_DONE:
            del fresh[dispensable([one for _, one in fresh])]
        self._done = fresh

    def own_report(self) -> HostReport:
        keys = key_report.merge(self.keys, self._keys_before)
        bans = {
            ban_id: self.own(ban_id)._replace(judged=self._judged.get(ban_id, frozenset()))
            for ban_id in (*self._own, *self._judged)
        }
        return HostReport(self.wall, bans, tuple(one for _, one in self._done), keys)

    def own(self, ban_id: str) -> BanReport:
        """What this host says of itself under that ban."""
        return self._own.get(ban_id, BanReport())

    def report(self, ban_id: str, own: BanReport) -> None:
        """To be called by this host's participant alone."""
        self._own[ban_id] = own

    def judge(self, ban_id: str, host: str) -> None:
        """That silent host is barred and dead to everyone, by the coordinator here."""
        self._judged[ban_id] = self._judged.get(ban_id, frozenset()) | {host}

    def everyone(self) -> dict[str, HostReport]:
        """All hosts' words, one's own as they are meant to be."""
        return {**self.reports, self.host: self.own_report()}

    def answered(self, request: Request) -> Done | None:
        """The answer that this very request has got, on any host."""
        key = (request.requester, request.hash, request.target)
        return self._find(lambda one: (one.requester, one.request, one.target) == key)

    def done(self, ban_id: str) -> Done | None:
        """What a fence under that ban came to; ok if anybody proved it."""
        proven = self._find(lambda one: one.ban_id == ban_id and one.ok)
        return proven or self._find(lambda one: one.ban_id == ban_id)

    def is_held_off(self, ban: Ban) -> bool:
        """Whether an off was answered OK under it, by whomever: the role was Stopped by then.

        Such a ban is left to run out: no start in flight may come after it.
        """
        found = self._find(lambda one: one.ok and (one.ban_id, one.operation) == (ban.id, OFF))
        return found is not None

    def proven(self) -> frozenset[str]:
        """The ids of the bans under which a fence was proven, by whomever."""
        said = self.everyone().values()
        return frozenset(one.ban_id for reports in said for one in reports.done if one.ok)

    def _find(self, fits: Callable[[Done], bool]) -> Done | None:
        said = (one for reports in self.everyone().values() for one in reports.done)
        return next(filter(fits, said), None)
