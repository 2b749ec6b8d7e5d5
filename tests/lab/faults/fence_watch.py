# SPDX-License-Identifier: GPL-2.0-or-later
"""A fence watched from outside the hosts: its bans on their disks, and the state that it reaches,
by what vm-stonithd's own commands say in the process table. Nothing in the hosts is touched."""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import fromstring

from pmkvm.deadline import Deadline
from pmkvm.fencing import ban as bans
from tests.lab.cluster import stonith
from tests.lab.cluster.cluster import CIB_FILE
from tests.lab.faults import faults
from tests.lab.faults.faults import State
from tests.lab.faults.fence_bans import Copies, Copy
from tests.lab.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from tests.lab.faults.fence_bans import Banned, Stamp
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.hosts.process import Process

PERIOD_S = 0.001
# The file is written after the change, and not for each one.
FILE_S = 0.01

# What is in the command line of a child of vm-stonithd at these states.
_COMMANDS = {
    State.WRITING: (b"--modify", b"vm-stonith-"),
    State.BARRED: (b"--update", b" barred"),
    State.DEAD: (b"--update", b" dead saw="),
    State.ROLE: (b"crm_resource", b"target-role"),
    State.ENDING: (b"--delete", b"vm-stonith-"),
}


class Hit(NamedTuple):
    """When the fault came, and which state had been reached by then."""

    state: State
    at_s: float


class Watch(Watcher):
    """Follows one fence; arm() has something done at a state.

    copies: how the hosts' copies of the CIB are judged; as Copies does unless given.
    requester_died_s: when the last QEMU of the requester was gone.
    """

    def __init__(self, pair: Pair, copies: Copies | None = None) -> None:
        super().__init__()
        lab = pair.lab
        self._pair = pair
        self._target = [process for _, process in lab.guests.processes(pair.target.guest)]
        self._requester = [process for _, process in lab.guests.processes(pair.requester.guest)]
        self.requester_died_s: float | None = None
        self._name = bans.name(pair.target.resource)
        # None: ended since, or looked for in vain; that it ends once more is not expected.
        self._pacemakers = [(host, host.spawned("pacemakerd")) for host in lab.hosts]
        self._daemons = [daemon(host, stonith.STONITHD) for host in lab.hosts]
        self._done = _done_before(pair)
        self._was_remembered = False
        self._copies = Copies() if copies is None else copies
        self._act: Callable[[], None] | None = None
        self._wanted: tuple[State, ...] = ()
        self.hit: Hit | None = None
        self._pool = ThreadPoolExecutor(1)
        self._doing: Future[None] | None = None
        self._looked_s = 0.0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._pool.shutdown()

    def arm(self, state: State, operation: str, act: Callable[[], None]) -> None:
        """Have it done at that state, or at the first one after it that is seen."""
        states = faults.STATES[operation]
        later = states[states.index(state) :]
        # A host without the target says barred before the target's host has killed it.
        is_first = state is State.BARRED
        self._wanted = tuple(one for one in later if is_first or one is not State.BARRED)
        self._act = act

    def fire(self, state: State, act: Callable[[], None]) -> None:
        """Have it done now."""
        self.hit = Hit(state, time.time())
        self._doing = self._pool.submit(act)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has been done by then; raises what it raised."""
        deadline = Deadline(timeout_s)
        while self._doing is None and not deadline.expired():
            deadline.pause(0.01)
        if self._doing is None:
            return False
        self._doing.result(timeout_s)
        return True

    def banned(self) -> list[Banned]:
        """In the order in which they were seen."""
        return self._copies.banned()

    def look(self) -> float:
        now = time.time()
        if now - self._looked_s > FILE_S:
            self._looked_s = now
            self._look_at_files(now)
            self._look_at_requester(now)
        if self._act is not None:
            self._try()
        return FILE_S if self._act is None else PERIOD_S

    def _try(self) -> None:
        act, reached = self._act, self._reached()
        if act is not None and reached is not None:
            self._act = None
            self.fire(reached, act)

    def _reached(self) -> State | None:
        """The first of the wanted states that can be seen now."""
        commands = [line for each in self._daemons if each for line in commands_of(each)]
        is_remembered = any(_done(line) - self._done for line in commands)
        self._was_remembered |= is_remembered
        now = {
            State.BANNED: any(one.gone_s is None for one in self.banned()),
            State.KILLED: not any(process.is_alive() for process in self._target),
            State.ANSWERING: is_remembered,
            # vm-stonithd lets go of an answer when attrd has taken it.
            State.ANSWERED: self._was_remembered and not is_remembered,
        }
        for state in self._wanted:
            if state in _COMMANDS:
                if any(all(text in line for text in _COMMANDS[state]) for line in commands):
                    return state
            elif now[state]:
                return state
        return None

    def _look_at_files(self, now: float) -> None:
        for number, (host, pacemaker) in enumerate(self._pacemakers):
            path = host.upper + CIB_FILE
            # Before the look at the file: what it has left is not written any more then.
            has_ended = pacemaker is not None and not pacemaker.is_alive()
            with contextlib.suppress(OSError):
                status = os.stat(path)
                stamp = (status.st_ino, status.st_mtime_ns)
                if not self._copies.knows(host.name, stamp):
                    self._copies.read(host.name, self._copy(path, stamp))
            if has_ended:
                self._pacemakers[number] = (host, None)
                self._copies.leave(host.name)
        self._copies.look(now)

    def _copy(self, path: str, stamp: Stamp) -> Copy:
        text = Path(path).read_text(encoding="utf-8")
        cib = fromstring(text)
        version = (int(cib.get("admin_epoch", "0")), int(cib.get("epoch", "0")))
        ours = (one for one in bans.find_all(text)[0] if self._is_ours(one))
        return Copy(stamp, version, frozenset(ours))

    def _look_at_requester(self, now: float) -> None:
        if self.requester_died_s is None and not any(one.is_alive() for one in self._requester):
            # It may live on where it has migrated to.
            found = self._pair.lab.guests.processes(self._pair.requester.guest)
            self._requester = [process for _, process in found]
            if not found:
                self.requester_died_s = now

    def _is_ours(self, one: bans.Ban) -> bool:
        is_fence = one.operation != bans.SETTLE and one.request != faults.NO_REQUEST
        return bans.name(one.resource) == self._name and is_fence


def daemon(host: Machine, resource: str) -> Process | None:
    """The program of a vm-anything on that host, as this machine numbers it."""
    # A clone's instance may have a number.
    argv = ["sh", "-c", f"cat /run/pm_kvm_tools/anything/{resource}*.pid"]
    pids = host.run(argv).out.split()
    return host.process(int(pids[0])) if pids else None


def commands_of(process: Process) -> Iterator[bytes]:
    """The command lines of what a process has started and that runs now."""
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with contextlib.suppress(OSError):
                path = f"/proc/{process.pid}/task/{task}/children"
                for pid in Path(path).read_text(encoding="ascii").split():
                    yield Path(f"/proc/{pid}/cmdline").read_bytes()


def _done_before(pair: Pair) -> set[bytes]:
    """What is remembered of earlier fences."""
    argv = ["attrd_updater", "--query", "--all", "--name", "vm-stonith"]
    found = (_done(host.run(argv).out.encode()) for host in pair.lab.hosts if host.is_alive())
    return set[bytes]().union(*found)


def _done(text: bytes) -> set[bytes]:
    items = text.replace(b'"', b";").replace(b"\0", b";").split(b";")
    return {item.strip() for item in items if item.strip().startswith(b"done=")}
