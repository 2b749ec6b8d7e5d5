# SPDX-License-Identifier: GPL-2.0-or-later
"""One simulated host's pending stops: those that can't be written are kept as long as the daemon
lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemons.vm_stonithd.model import actions

if TYPE_CHECKING:
    from daemons.vm_stonithd.host.pending_stop_files import Change
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.process import Life
    from tests.unit.vm_stonithd.simulation.world import World


class PendingStopFiles:
    def __init__(self, world: World, host: str) -> None:
        self._world, self._host = world, host
        self._unwritten: dict[str, PendingStop] = {}
        self._unremoved: dict[str, PendingStop] = {}

    @property
    def _is_read_only(self) -> bool:
        return self._host in self._world.hosts.read_only

    @property
    def _files(self) -> dict[str, PendingStop]:
        return self._world.hosts.pending_stops[self._host]

    def owe(self, resource: str, pending_stop: PendingStop) -> None:
        self._unremoved.pop(resource, None)
        self._unwritten.pop(resource, None)
        kept = self._unwritten if self._is_read_only else self._files
        kept[resource] = pending_stop._replace(stamp=self._world.engine.now)

    def change(self, action: Change) -> None:
        resource, pending_stop = action.resource, action.pending_stop
        if isinstance(action, actions.WritePendingStop):
            self.owe(resource, pending_stop)
        elif isinstance(action, actions.TouchPendingStop):
            kept = self._unwritten if resource in self._unwritten else self._files
            if kept.get(resource) == pending_stop:
                kept = self._unwritten if self._is_read_only else kept
                kept[resource] = pending_stop._replace(stamp=self._world.engine.now)
        else:
            self._settle(resource, pending_stop)

    def read(self) -> dict[str, tuple[PendingStop, tuple[Life, ...]]]:
        for resource, pending_stop in list(self._unremoved.items()):
            if self._files.get(resource) != pending_stop:
                del self._unremoved[resource]
            else:
                self._settle(resource, pending_stop)
        found = {}
        for resource in sorted({*self._files, *self._unwritten}):
            there, own = self._files.get(resource), self._unwritten.get(resource)
            there = None if there == self._unremoved.get(resource) else there
            lives = self._lives(resource)
            if own is not None and (there is None or there.stamp < own.stamp):
                self._write_late(resource, own, lives)
                there = own
            else:
                self._unwritten.pop(resource, None)
            if there is not None:
                found[resource] = (there, lives)
        return found

    def _write_late(
        self, resource: str, pending_stop: PendingStop, lives: tuple[Life, ...]
    ) -> None:
        is_starting = (self._host, resource) in self._world.hosts.locks
        is_void = pending_stop.is_void(lives, self._world.engine.now)
        if not (self._is_read_only or is_starting or is_void):
            self._files[resource] = self._unwritten.pop(resource)

    def _settle(self, resource: str, pending_stop: PendingStop) -> None:
        if self._unwritten.get(resource) == pending_stop:
            del self._unwritten[resource]
        if self._files.get(resource) == pending_stop and self._is_read_only:
            self._unremoved[resource] = pending_stop
        elif self._files.get(resource) == pending_stop:
            del self._files[resource]
            self._unremoved.pop(resource, None)

    def _lives(self, resource: str) -> tuple[Life, ...]:
        return tuple(q.life for q in self._world.hosts.living(self._host, resource))
