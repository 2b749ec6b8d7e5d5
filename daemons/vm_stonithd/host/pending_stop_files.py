# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's pending stops for the machine: files under /run, and what could not be written there.

A pending stop that can't be written is kept in memory, one that is settled and can't be removed is
passed over, and both are tried again at each reading, once a second.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from daemons.vm_stonithd.host import qemu_processes
from daemons.vm_stonithd.model.actions import RemovePendingStop, TouchPendingStop, WritePendingStop
from pmkvm.errors import DeadlineError, HaError
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.virt import starting

if TYPE_CHECKING:
    from typing import Union

    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.process import Life

    Change = Union[WritePendingStop, TouchPendingStop, RemovePendingStop]

CHANGES = (WritePendingStop, TouchPendingStop, RemovePendingStop)

log = logging.getLogger(__name__)


class PendingStopFiles:
    """Asked in threads. Nothing here raises for the state of a file: no kill depends on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By resource, each with what is wrong.
        self._unwritten: dict[str, tuple[PendingStop, str]] = {}
        self._unremoved: dict[str, tuple[PendingStop, str]] = {}
        self._unjudged: dict[str, str] = {}
        self._unlisted = ""
        self._told: frozenset[str] = frozenset()

    @property
    def troubles(self) -> list[str]:
        """What a person should mend."""
        found = (
            [f"this host's pending stops can't be listed: {self._unlisted}"]
            if self._unlisted
            else []
        )
        for resource, (_, why) in sorted(self._unwritten.items()):
            found.append(f"{resource}: its pending stop is kept in memory alone: {why}")
        for resource, (_, why) in sorted(self._unremoved.items()):
            found.append(f"{resource}: its pending stop is settled and can't be removed: {why}")
        for resource, why in sorted(self._unjudged.items()):
            found.append(f"{resource}: its pending stop can't be judged: {why}")
        return found

    def owe(self, resource: str, pending_stop: PendingStop) -> None:
        """In place of an older one."""
        with self._lock:
            self._unremoved.pop(resource, None)
            self._write(resource, pending_stop)
            self._tell()

    def keep(self, resource: str, pending_stop: PendingStop, why: str) -> None:
        """Where there is no thread to write it in. Never waits for one that hangs in a file."""
        self._unwritten[resource] = pending_stop, why

    def change(self, wanted: Change) -> None:
        if isinstance(wanted, WritePendingStop):
            self.owe(wanted.resource, wanted.pending_stop)
            return
        with self._lock:
            if isinstance(wanted, TouchPendingStop):
                self._touch(wanted.resource, wanted.pending_stop)
            else:
                self._settle(wanted.resource, wanted.pending_stop)
            self._tell()

    def read(self) -> dict[str, tuple[PendingStop, tuple[Life, ...]]]:
        """Each with the living QEMUs of its uuid. What can't be told of one keeps no other back."""
        found, unjudged = {}, {}
        for resource in self._resources():
            try:
                with self._lock:
                    pending_stop = self._standing(resource)
                if pending_stop is not None:
                    lives = qemu_processes.lives_of(resource, pending_stop.uuid)
                    self._write_late(resource, pending_stop, lives)
                    found[resource] = (pending_stop, lives)
            except (HaError, OSError) as error:
                unjudged[resource] = str(error)
        with self._lock:
            self._unjudged = unjudged
            self._tell()
        return found

    def _resources(self) -> list[str]:
        listed: list[str] = []
        try:
            listed, self._unlisted = pending_stops.resources(), ""
        except OSError as error:
            self._unlisted = str(error)
        with self._lock:
            return sorted({*listed, *self._unwritten})

    def _standing(self, resource: str) -> PendingStop | None:
        """The younger of the file's and of one's own, but none that is settled."""
        there, own = pending_stops.load(resource), self._unwritten.get(resource)
        settled = self._unremoved.pop(resource, None)
        if settled is not None and _is_same(there, settled[0]):
            self._settle(resource, settled[0])
            there = None
        if own is not None and (there is None or there.stamp < own[0].stamp):
            return own[0]
        self._unwritten.pop(resource, None)
        return there

    def _write_late(
        self, resource: str, pending_stop: PendingStop, lives: tuple[Life, ...]
    ) -> None:
        """Never beside a later life, nor beside a start, which would take it for its own."""
        if resource not in self._unwritten or pending_stop.is_void(lives, time.monotonic()):
            return
        try:
            with starting.held_off(resource), self._lock:
                if resource in self._unwritten and self._unwritten[resource][0] == pending_stop:
                    self._write(resource, pending_stop)
        except DeadlineError:
            return

    def _write(self, resource: str, pending_stop: PendingStop) -> None:
        try:
            pending_stops.store(resource, pending_stop)
        except OSError as error:
            self._unwritten[resource] = pending_stop, str(error)
        else:
            self._unwritten.pop(resource, None)

    def _touch(self, resource: str, pending_stop: PendingStop) -> None:
        now = time.monotonic()
        try:
            if resource not in self._unwritten:
                pending_stops.touch(resource, pending_stop, now)
                return
            _, why = self._unwritten[resource]
        except OSError as error:
            why = str(error)
        self._unwritten[resource] = pending_stop._replace(stamp=now), why

    def _settle(self, resource: str, pending_stop: PendingStop) -> None:
        """Only while it is this one."""
        if resource in self._unwritten and _is_same(self._unwritten[resource][0], pending_stop):
            del self._unwritten[resource]
        if _is_same(pending_stops.load(resource), pending_stop):
            try:
                pending_stops.remove(resource)
            except OSError as error:
                self._unremoved[resource] = pending_stop, str(error)

    def _tell(self) -> None:
        """Each trouble once, and its end."""
        told, self._told = self._told, frozenset(self.troubles)
        for text in sorted(self._told - told):
            log.warning("%s", text)
        for text in sorted(told - self._told):
            log.info("no more: %s", text)


def _is_same(one: PendingStop | None, other: PendingStop) -> bool:
    """Its stamp may have been renewed."""
    return one is not None and one._replace(stamp=other.stamp) == other
