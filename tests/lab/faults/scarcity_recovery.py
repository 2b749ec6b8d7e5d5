# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon everything is well again after a lack: looked at, not mended."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from tests.lab.faults.scarcity_scene import CLONES, PROGRAM
from tests.lab.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.lab.faults.scarcity_scene import Scene
    from tests.lab.hosts.machine import Machine

LOOK_S = 0.2
ASK_S = 3.0
# After that nobody waits any longer.
PATIENCE_S = 25.0
# A recurring monitor's interval, and what it and the one before it take where all are busy.
MONITOR_S = 10.0 + 30.0


class Recovery(Watcher):
    """Watches from the lack's end on; after how many seconds each thing was so for the first time
    in .took, None while it is not."""

    def __init__(self, wanted: Mapping[str, Callable[[], bool]], is_lost: Callable[[], bool]):
        super().__init__()
        self._wanted = wanted
        self._is_lost = is_lost
        self._since_s = time.time()
        self.took: dict[str, float | None] = dict.fromkeys(wanted)

    def look(self) -> float:
        left = [name for name, took in self.took.items() if took is None]
        if left:
            # At one time: who does not answer keeps nobody from being asked.
            with ThreadPoolExecutor(len(left)) as pool:
                list(pool.map(self._ask, left))
        return LOOK_S

    def _ask(self, name: str) -> None:
        # The programs that ask take their time on a busy machine.
        asked_s = time.time()
        # Whoever can't be asked is not well.
        with contextlib.suppress(HaError, ValueError):
            if self._wanted[name]():
                self.took[name] = round(asked_s - self._since_s, 1)

    def wait(self) -> None:
        """Until all is well, or it is too late, or a host is lost."""
        deadline = Deadline(PATIENCE_S)
        while None in self.took.values() and not deadline.expired() and not self._is_lost():
            deadline.pause(LOOK_S)


def of_daemons(scene: Scene) -> dict[str, Callable[[], bool]]:
    """Each vm-stonithd says that it is registered, and Pacemaker has all instances running."""
    lab = scene.lab
    names = sorted(host.name for host in lab.hosts)

    def is_running() -> bool:
        now = lab.status()
        return all(sorted(now.hosts_of(clone)) == names for clone in CLONES)

    found = {f"vm-stonithd of {host.name}": _registered(host) for host in lab.hosts}
    return {**found, "the clones": is_running}


def _registered(host: Machine) -> Callable[[], bool]:
    def is_so() -> bool:
        done = host.run(["vm-stonithd", "--status"], timeout_s=ASK_S)
        return done.rc == 0 and bool(json.loads(done.out).get("is_registered"))

    return is_so


def wait_for_monitors(scene: Scene, since_s: float) -> list[str]:
    """Which recurring monitors have not come after that time; waits for them."""
    deadline = Deadline(max(0.0, since_s + MONITOR_S - time.time()))
    while True:
        left = _missing(scene, since_s)
        if not left or deadline.expired():
            return left
        deadline.pause(LOOK_S)


def _missing(scene: Scene, since_s: float) -> list[str]:
    now = scene.lab.status()
    names = (scene.subject.resource, scene.pair.requester.resource, PROGRAM, *CLONES)
    wanted = {(name, host) for name in names for host in now.hosts_of(name)}
    came = {
        (call.resource, call.host)
        for call in scene.gate.calls()
        if call.is_monitor and call.is_recurring and call.began_s > since_s and call.rc is not None
    }
    return [f"{name} on {host}" for name, host in sorted(wanted - came)]
