# SPDX-License-Identifier: GPL-2.0-or-later
"""All guests' lives and all bans, watched from outside the hosts. Nothing in them is touched."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import fromstring

from pmkvm.fencing import ban as bans
from tests.lab.cluster.cluster import CIB_FILE
from tests.lab.faults import faults
from tests.lab.faults.fence_bans import Copy, NewestCopies
from tests.lab.guests.lives import Lives
from tests.lab.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.fencing.ban import Ban
    from tests.lab.faults.fence_bans import Banned, Stamp
    from tests.lab.guests.guests import Guests
    from tests.lab.guests.lives import Life
    from tests.lab.hosts.machine import Machine
    from tests.lab.hosts.process import Process

PERIOD_S = 0.01


class AllLives(Lives):
    """When each QEMU of each guest lived."""

    def __init__(self, guests: Guests, uuids: dict[str, str]) -> None:
        super().__init__(guests, None)
        self._uuids = uuids
        self._names: dict[Process, str] = {}

    def look(self) -> float:
        pause_s = super().look()
        for process in self._seen:
            if process not in self._names:
                self._names[process] = self._name(process)
        return pause_s

    def of(self, guest: str) -> list[Life]:
        """In the order in which they began."""
        seen = self._seen.copy()
        return sorted(
            (life for process, life in seen.items() if self._names.get(process) == guest),
            key=lambda life: life.first_s,
        )

    def _name(self, process: Process) -> str:
        """Empty for a process that ended before it could be read."""
        with contextlib.suppress(OSError):
            argv = Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8").split("\0")
            return next((name for name, uuid in self._uuids.items() if uuid in argv), "")
        return ""


class Standing(NamedTuple):
    """A ban as it was written first, and when it was there."""

    ban: Ban
    seen: Banned


class Bans(Watcher):
    """Follows the bans of fences on the hosts' disks; is_banned is set at the first one."""

    def __init__(self, hosts: list[Machine]) -> None:
        super().__init__()
        # None: ended since, or looked for in vain.
        self._hosts = [(host, host.spawned("pacemakerd")) for host in hosts]
        self._copies = NewestCopies()
        self._bans: dict[str, Ban] = {}
        self.is_banned = threading.Event()

    def look(self) -> float:
        now = time.time()
        for number, (host, pacemaker) in enumerate(self._hosts):
            # Before the look at the file: what it has left is not written any more then.
            has_ended = pacemaker is not None and not pacemaker.is_alive()
            self._look_at(host)
            if has_ended:
                self._hosts[number] = (host, None)
                self._copies.leave(host.name)
        self._copies.look(now)
        if self._bans:
            self.is_banned.set()
        return PERIOD_S

    def all(self) -> list[Standing]:
        """In the order in which they were seen."""
        return [Standing(self._bans[one.id], one) for one in self._copies.banned()]

    def _look_at(self, host: Machine) -> None:
        path = host.upper + CIB_FILE
        with contextlib.suppress(OSError):
            status = os.stat(path)
            stamp = (status.st_ino, status.st_mtime_ns)
            if not self._copies.knows(host.name, stamp):
                self._copies.read(host.name, self._copy(path, stamp))

    def _copy(self, path: str, stamp: Stamp) -> Copy:
        text = Path(path).read_text(encoding="utf-8")
        cib = fromstring(text)
        version = (int(cib.get("admin_epoch", "0")), int(cib.get("epoch", "0")))
        found = [one for one in bans.find_all(text)[0] if _is_a_fences(one)]
        for one in found:
            self._bans.setdefault(one.id, one)
        return Copy(stamp, version, frozenset(found))


def _is_a_fences(one: Ban) -> bool:
    return one.operation != bans.SETTLE and one.request != faults.NO_REQUEST
