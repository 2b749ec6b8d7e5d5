# SPDX-License-Identifier: GPL-2.0-or-later
"""What a target may be in the middle of when it is fenced, and what must come of it then."""

from __future__ import annotations

import contextlib
import re
import time
from enum import Enum
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.guests.fencing_guest import REQUEST_S
from tests.lab.guests.pair import BOOT_S, CREATING, SLOW_START, Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.lab.hosts.machine import Machine

# A target that may not be fenced is waited for until the deadline.
SHORT_S = 6.0
# Longer than the loss of a host takes: token, consensus and its fencing.
HOST_LOSS_S = 45.0
MIGRATION_MIB_S = 3
# Of what takes seconds on a machine that is not busy.
SLOWEST_S = 60.0


class End(Enum):
    """What must have become of the target."""

    RETURNS = "dead, and back in another boot"
    STAYS_STOPPED = "dead, and stopped by somebody else"
    UNTOUCHED = "runs on in the same boot"


class Situation(NamedTuple):
    """enter() brings the target into it, which then runs on `home`, and mends it afterwards.

    answer: what the answer must match; without one it is OK. loses_host: one is killed.
    """

    name: str
    enter: Callable[[Pair], AbstractContextManager[None]]
    end: End = End.RETURNS
    answer: str = ""
    timeout_s: float = REQUEST_S
    resource: str = ""
    loses_host: bool = False


def _at(number: int) -> Callable[[Pair], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def enter(pair: Pair) -> Iterator[None]:
        pair.place(pair.lab.hosts[number])
        yield

    return enter


@contextlib.contextmanager
def _migrating(pair: Pair) -> Iterator[None]:
    """From host1 to host2, of three hosts from host2 to host3; slow enough to be met in it."""
    source, target = pair.lab.hosts[-2:]
    pair.place(source)
    with migrating(pair, source, target):
        yield


@contextlib.contextmanager
def migrating(pair: Pair, source: Machine, target: Machine) -> Iterator[None]:
    """The target is on its way, with a QEMU on both hosts."""
    name = pair.target.guest.name
    source.must(["virsh", "-q", "migrate-setspeed", name, str(MIGRATION_MIB_S)])
    source.spawn("move", ["vm-ctl", "resource", "move", name, "-n", target.name])
    wait_until(lambda: len(pair.target.hosts()) == 2, "two QEMUs in a migration")
    yield
    wait_until(lambda: source.pid_of("move") is None, "vm-ctl's end", 300)


@contextlib.contextmanager
def _stopping(pair: Pair) -> Iterator[None]:
    """An administrator stops it, and it does not hear the power button for 90 s."""
    pair.place(pair.lab.hosts[1])
    pair.target.vm_ctl("resource", "stop", pair.target.guest.name, "--no-wait")
    wait_until(lambda: is_stopping(pair, pair.target.resource), "a stop under way")
    time.sleep(1)
    yield


@contextlib.contextmanager
def _starting(pair: Pair) -> Iterator[None]:
    stop(pair)
    for host in pair.lab.hosts:
        host.must(["sh", "-c", f"touch {SLOW_START}; rm -f {CREATING}"])
    pair.target.vm_ctl("resource", "start", pair.target.guest.name, "--no-wait")
    wait_until(lambda: any(_has(host, CREATING) for host in pair.lab.hosts), "a create under way")
    try:
        yield
    finally:
        for host in pair.lab.hosts:
            host.must(["rm", "-f", SLOW_START, CREATING])


@contextlib.contextmanager
def _stopped(pair: Pair) -> Iterator[None]:
    stop(pair)
    yield


@contextlib.contextmanager
def _unmanaged(pair: Pair) -> Iterator[None]:
    host = pair.lab.hosts[1]
    pair.place(host)
    meta = ["crm_resource", "--meta", "-r", pair.target.resource]
    host.must([*meta, "-p", "is-managed", "-v", "false"])
    try:
        yield
    finally:
        host.must([*meta, "-d", "is-managed"])


@contextlib.contextmanager
def _in_maintenance(pair: Pair) -> Iterator[None]:
    host = pair.lab.hosts[1]
    pair.place(host)
    attribute = ["crm_attribute", "-n", "maintenance-mode"]
    host.must([*attribute, "-v", "true"])
    try:
        yield
    finally:
        host.must([*attribute, "-D"])
        pair.lab.cluster.wait_idle()


@contextlib.contextmanager
def _host_dies(pair: Pair) -> Iterator[None]:
    """The test kills the host while the request is on its way."""
    lost = pair.lab.hosts[1]
    pair.place(lost)
    try:
        yield
    finally:
        pair.lab.boot(lost)
        pair.lab.cluster.wait_online(timeout_s=BOOT_S)
        stonith.wait_ready(pair.lab)


SAME_HOST = Situation("on the same host", _at(0))
OTHER_HOST = Situation("on the other host", _at(1))
MIGRATING = Situation("being migrated", _migrating)
HOST_DIES = Situation("on a host that dies", _host_dies, timeout_s=HOST_LOSS_S, loses_host=True)
SITUATIONS = (
    SAME_HOST,
    OTHER_HOST,
    MIGRATING,
    Situation("in a 90 s stop", _stopping, End.STAYS_STOPPED),
    Situation("in start", _starting),
    Situation("stopped", _stopped, End.STAYS_STOPPED),
    Situation("unmanaged", _unmanaged, End.UNTOUCHED, r"NG.*is unmanaged", SHORT_S),
    Situation("in maintenance", _in_maintenance, End.UNTOUCHED, r"NG.*maintenance", SHORT_S),
    Situation(
        "unknown",
        _at(1),
        End.UNTOUCHED,
        r"NG the token is refused: see [0-9a-f]{16} in the host's log",
        resource="prmVMCTL_guest9",
    ),
    HOST_DIES,
)


def stop(pair: Pair) -> None:
    """Stopped by an administrator."""
    target = pair.target
    target.vm_ctl("resource", "stop", target.guest.name, "--no-wait")
    # It is deaf, and nobody wants to wait.
    wait_until(lambda: is_stopping(pair, target.resource) or not target.hosts(), "a stop under way")
    for _, process in pair.lab.guests.processes(target.guest):
        process.kill()
    pair.lab.cluster.wait_stopped(target.resource)


def wait_until(is_true: Callable[[], bool], what: str, timeout_s: float = SLOWEST_S) -> None:
    """Whoever can't be asked at a moment is asked again: a daemon or a guest that begins anew."""
    deadline = Deadline(timeout_s)
    said = ""
    while True:
        try:
            if is_true():
                return
        except HaError as error:
            said = f" ({error})"
        if deadline.expired():
            raise LabError(f"not within {timeout_s:.0f} s: {what}{said}")
        deadline.pause(0.05)


def matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def is_stopping(pair: Pair, resource: str) -> bool:
    return any("Stopping" in (one.role, one.pending) for one in pair.lab.status().find(resource))


def _has(host: Machine, path: str) -> bool:
    return host.run(["test", "-e", path]).rc == 0
