# SPDX-License-Identifier: GPL-2.0-or-later
"""One simulated host's pending stops: kept by the product's own class, on that host's files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from daemons.vm_stonithd.host import pending_stop_files
from pmkvm.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemons.vm_stonithd.host.pending_stop_files import Change
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.process import Life
    from tests.unit.vm_stonithd.simulation.world import World

# What the product's module asks its host by.
EDGE = ("pending_stops", "qemu_processes", "starting", "time")


class Edge:
    """One host's files, QEMUs, starts and clock, under the names that the product calls."""

    def __init__(self, world: World, host: str) -> None:
        self._world, self._host = world, host

    @property
    def _files(self) -> dict[str, PendingStop]:
        return self._world.hosts.pending_stops[self._host]

    def resources(self) -> list[str]:
        return list(self._files)

    def load(self, resource: str) -> PendingStop | None:
        return self._files.get(resource)

    def store(self, resource: str, pending_stop: PendingStop) -> None:
        self._change()
        self._files[resource] = pending_stop

    def touch(self, resource: str, pending_stop: PendingStop, now: float) -> None:
        self._change()
        if self._files.get(resource) == pending_stop:
            self._files[resource] = pending_stop._replace(stamp=now)

    def remove(self, resource: str) -> None:
        self._change()
        del self._files[resource]

    def _change(self) -> None:
        if self._host in self._world.hosts.read_only:
            raise OSError("Read-only file system")

    def lives_of(self, resource: str, _uuid: str) -> tuple[Life, ...]:
        return tuple(q.life for q in self._world.hosts.living(self._host, resource))

    @contextlib.contextmanager
    def held_off(self, resource: str) -> Iterator[None]:
        if (self._host, resource) in self._world.hosts.locks:
            raise DeadlineError("a start is under way")
        yield

    def monotonic(self) -> float:
        return self._world.engine.now


class PendingStopFiles(pending_stop_files.PendingStopFiles):
    def __init__(self, world: World, host: str) -> None:
        super().__init__()
        self._edge = Edge(world, host)

    def owe(self, resource: str, pending_stop: PendingStop) -> None:
        with self._here():
            super().owe(resource, pending_stop)

    def change(self, wanted: Change) -> None:
        with self._here():
            super().change(wanted)

    def read(self) -> dict[str, tuple[PendingStop, tuple[Life, ...]]]:
        with self._here():
            return super().read()

    def _tell(self) -> None:
        """A search tells what is broken, and nothing else."""

    @contextlib.contextmanager
    def _here(self) -> Iterator[None]:
        """In the place of this machine's. Three hosts share the module, but never at one time."""
        module: dict[str, Any] = vars(pending_stop_files)
        before = {name: module[name] for name in EDGE}
        module.update(dict.fromkeys(EDGE, self._edge))
        try:
            yield
        finally:
            module.update(before)
