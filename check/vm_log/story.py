# SPDX-License-Identifier: GPL-2.0-or-later
"""From what each line says to what is told: nothing twice, and what only several lines say
together, such as a failover, or how long a fence took. Pure.

A log may begin anywhere: what was before its beginning is not known, and not told.
"""

from __future__ import annotations

from typing import NamedTuple

from check.vm_log.event import Event, Kind

# Plans that say more than what comes of them: where from.
_TELLING = ("Move", "Migrate", "Recover")
_PLACING = (Kind.STARTED, Kind.MOVED, Kind.SENT, Kind.STOPPED)
_FENCING = (Kind.FENCE_ASKED, Kind.FENCE_DEVICE, Kind.FENCE_OK, Kind.FENCE_FAILED)
_STATES = (Kind.HOST_JOINED, Kind.HOST_LOST, Kind.HOST_LEAVING)


class _Fence(NamedTuple):
    asked: float | None = None
    device: str = ""


class Story:
    """Of one log, whose lines are in order."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._dc = ""
        self._quorum: Kind | None = None
        # By host.
        self._states: dict[str, Kind] = {}
        self._fences: dict[str, _Fence] = {}
        # By resource: where it runs (a clone on several hosts), which lost host had it, from where
        # it is being migrated, and where it has been migrated from.
        self._places: dict[str, set[str]] = {}
        self._orphans: dict[str, str] = {}
        self._origins: dict[str, str] = {}
        self._left: dict[str, str] = {}
        # The last plan for a resource or a host since something came of it.
        self._plans: dict[str, Event] = {}
        # By resource, action and host: when failures were recorded. Empty: not yet.
        self._failures: dict[tuple[str, str, str], set[str]] = {}

    def take(self, event: Event) -> Event | None:
        """What is to be told of it."""
        if event.kind in _PLACING:
            return self._place(event)
        if event.kind is Kind.FAILED:
            return self._fail(event)
        if event.kind in (Kind.PLANNED, Kind.FENCE_PLANNED):
            return self._plan(event)
        if event.kind in _FENCING:
            return self._fence(event)
        if event.kind in _STATES:
            return self._host(event)
        return self._cluster(event)

    def _place(self, event: Event) -> Event | None:
        name, host = event.resource, event.host
        self._plans.pop(name, None)
        if event.kind is Kind.SENT:
            is_planned = name in self._origins
            self._origins[name] = self._left[name] = host
            return None if is_planned else event
        places = self._places.setdefault(name, set())
        if event.kind is Kind.STOPPED:
            places.discard(host)
            # A migration ends so: its source forgets what has left it.
            has_left = self._left.get(name) == host
            return None if has_left and self._left.pop(name) else event
        places.add(host)
        if self._left.get(name) == host:
            del self._left[name]
        lost, origin = self._orphans.pop(name, host), self._origins.pop(name, host)
        if event.kind is Kind.MOVED:
            if origin != host:
                places.discard(origin)
                self._left[name] = origin
            return event._replace(origin="" if origin == host else origin)
        return event if lost == host else event._replace(kind=Kind.FAILOVER, origin=lost)

    def _fail(self, event: Event) -> Event | None:
        known = self._failures.setdefault((event.resource, event.operation, event.host), set())
        is_known = event.recorded in known if event.recorded else False
        if event.recorded and "" in known:
            # The DC records what its own controller has just said.
            known.discard("")
            is_known = True
        known.add(event.recorded)
        if is_known:
            return None
        self._plans.pop(event.resource, None)
        if event.operation.startswith("migrate"):
            self._origins.pop(event.resource, None)
            self._left.pop(event.resource, None)
        return event

    def _plan(self, event: Event) -> Event | None:
        key = event.resource or event.host
        same = self._plans.get(key)
        self._plans[key] = event
        if same is not None and same._replace(at=event.at) == event:
            return None
        if event.kind is Kind.FENCE_PLANNED:
            return event
        if event.operation == "Migrate":
            self._origins[event.resource] = event.origin
        elif event.origin and self._states.get(event.origin) is Kind.HOST_LOST:
            self._orphans[event.resource] = event.origin
        return event if event.reason or event.operation in _TELLING else None

    def _fence(self, event: Event) -> Event | None:
        host = event.host
        fence = self._fences.get(host, _Fence())
        if event.kind is Kind.FENCE_ASKED:
            if fence.asked is None:
                self._fences[host] = fence._replace(asked=event.at)
            return event
        if event.kind is Kind.FENCE_DEVICE:
            is_good = event.result == "returned 0"
            self._fences[host] = fence._replace(device=event.device if is_good else "")
            return None if is_good else event
        self._fences.pop(host, None)
        took = "" if fence.asked is None else f"{max(0.0, event.at - fence.asked) * 1000:.0f}"
        return event._replace(took_ms=took, device=fence.device)

    def _host(self, event: Event) -> Event | None:
        kind, host = event.kind, event.host
        before = self._states.get(host)
        if kind is Kind.HOST_LOST and before in (Kind.HOST_LEAVING, Kind.HOST_LEFT):
            kind = Kind.HOST_LEFT
        if kind is before:
            return None
        self._states[host] = kind
        if kind is Kind.HOST_JOINED:
            self._plans.pop(host, None)
            # What starts from now on may start anyway.
            self._orphans = {name: lost for name, lost in self._orphans.items() if lost != host}
        elif kind is Kind.HOST_LOST:
            for name, places in self._places.items():
                if places == {host}:
                    self._orphans[name] = host
                places.discard(host)
        return event._replace(kind=kind)

    def _cluster(self, event: Event) -> Event | None:
        is_known = False
        if event.kind is Kind.PACEMAKER_STARTS:
            self._begin()
        elif event.kind is Kind.DC:
            is_known, self._dc = self._dc == event.host, event.host
        elif event.kind is Kind.DC_LOST:
            self._dc = ""
        elif event.kind in (Kind.QUORUM, Kind.QUORUM_LOST):
            is_known, self._quorum = self._quorum is event.kind, event.kind
        return None if is_known else event
