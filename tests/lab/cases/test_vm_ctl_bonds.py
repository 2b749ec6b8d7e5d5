# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of guests when the vm-stonithd that their constraints name is in trouble.

Two guests on one host: `soft` is registered with vm-ctl's defaults (score 100, Optional), `hard`
as the slides of 2011 print it (INFINITY). doc/vm-ctl.md has the table.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import NamedTuple

import pytest

from tests.lab.cluster import slides, stonith
from tests.lab.cluster.registration import Registered
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

DAEMON, CLONE = "prmVmStonithd", "clnVmStonithd"
PROGRAM = "/usr/sbin/vm-stonithd"
ENTRY = {"vm_stonithd1": f"({CLONE})"}
AS_PRINTED = {**ENTRY, "vm_stonithd_col": "INFINITY", "vm_stonithd_odr": "(0 false)"}
SCORES = {"soft": ENTRY, "hard": AS_PRINTED}

pytestmark = pytest.mark.rotating(parts=11)

UNTOUCHED, MOVED, RESTARTED, STOPPED = "untouched", "moved", "restarted", "stopped"
SETTLED_S = 120.0


class Bonds(NamedTuple):
    soft: Registered
    hard: Registered

    @property
    def lab(self) -> Lab:
        return self.soft.lab


@pytest.fixture(scope="module")
def made() -> list[Bonds]:
    """Of this module's tests, as long as none has failed."""
    return []


@pytest.fixture
def bonds(lab: Lab, made: list[Bonds], request: pytest.FixtureRequest) -> Iterator[Bonds]:
    """Both guests run on host1, and vm-stonithd on both hosts."""
    if not made:
        lab.clean()
        stonith.load_daemons(lab)
        made.append(Bonds(*(bound(lab, Guest(name), SCORES[name]) for name in SCORES)))
        for one in made[0]:
            one.start()
    failed_before = request.session.testsfailed
    yield made[0]
    if request.session.testsfailed > failed_before:
        made.clear()


def bound(lab: Lab, guest: Guest, keys: dict[str, str]) -> Registered:
    lab.guests.define(guest)
    with slides.configured(lab, **keys):
        done = lab.hosts[0].run(["vm-ctl", "resource", "add", guest.name, "-a", "host1"])
    # INFINITY is warned about by name.
    warned = "MSG35" in done.err and CLONE in done.err
    assert (done.rc, warned) == (0, keys is AS_PRINTED), done
    return Registered(lab, guest)


@contextlib.contextmanager
def dies(bonds: Bonds) -> Iterator[None]:
    kill(bonds.lab.hosts[0])
    wait_until(lambda: has_failed(bonds.lab), "the daemon's failed monitor")
    yield


@contextlib.contextmanager
def dies_with_threshold(bonds: Bonds) -> Iterator[None]:
    """As Linux-HA Japan's configurations have it."""
    argv = ["crm_attribute", "-t", "rsc_defaults", "-n", "migration-threshold"]
    bonds.lab.hosts[0].must([*argv, "-v", "1"])
    try:
        with dies(bonds):
            yield
    finally:
        bonds.lab.hosts[0].must([*argv, "-D"])


@contextlib.contextmanager
def cannot_start(bonds: Bonds, hosts: list[Machine]) -> Iterator[None]:
    """Its program ends at once, as without its key or its configuration."""
    for host in hosts:
        kill(host)
        host.must(["mv", PROGRAM, f"{PROGRAM}.away"])
        host.write(PROGRAM, "#!/bin/sh\nexit 1\n", "0755")
    try:
        wait_until(lambda: has_failed(bonds.lab), "the daemon's failed monitor")
        gone = {host.name for host in hosts}
        wait_until(lambda: not gone & active(bonds.lab), "the daemon's end")
        yield
    finally:
        for host in hosts:
            host.must(["mv", f"{PROGRAM}.away", PROGRAM])


@contextlib.contextmanager
def restarted(bonds: Bonds) -> Iterator[None]:
    bonds.lab.hosts[0].must(["crm_resource", "--restart", "-r", CLONE], timeout_s=120)
    yield


@contextlib.contextmanager
def stopped(bonds: Bonds) -> Iterator[None]:
    role = ["crm_resource", "--meta", "-r", CLONE, "-p", "target-role"]
    bonds.lab.hosts[0].must([*role, "-v", "Stopped"])
    try:
        wait_until(lambda: not active(bonds.lab), "the clone's end")
        yield
    finally:
        bonds.lab.hosts[0].must([*role[:-2], "-d", "target-role"])


@contextlib.contextmanager
def standby(bonds: Bonds, score: str) -> Iterator[None]:
    """A third guest takes its time to stop; who executes a fence there meanwhile?"""
    lab, host1 = bonds.lab, bonds.lab.hosts[0]
    slow = bound(lab, Guest("slow", power="deaf"), SCORES[score])
    slow.set_operation("stop-0", timeout="15s")
    slow.start()
    switch = ["crm_standby", "-N", "host1"]
    host1.must([*switch, "-v", "on"])
    serves = []
    try:
        wait_until(lambda: is_stopping(lab, slow.resource), "its stop")
        while slow.hosts() == ["host1"]:
            serves.append(bool(stonith.status(host1)))
            time.sleep(0.2)
        print(f"{score}: served in {sum(serves)} of {len(serves)} looks at the stopping guest")
        assert len(serves) > 1
        # The last look may come after the guest's end.
        assert all(serves[:-1]) == (score == "soft")
        lab.cluster.wait_running(slow.resource, "host2")
        slow.vm_ctl("resource", "stop", "slow")
        slow.vm_ctl("resource", "delete", "slow")
        yield
    finally:
        host1.must([*switch, "-D"])


class Row(NamedTuple):
    """What happens, and what becomes of the guests, soft and hard."""

    name: str
    enter: Callable[[Bonds], AbstractContextManager[None]]
    soft: str
    hard: str


ROWS = (
    Row(
        "the daemon cannot start on any host",
        lambda bonds: cannot_start(bonds, bonds.lab.hosts),
        UNTOUCHED,
        STOPPED,
    ),
    Row("the daemon dies once", dies, UNTOUCHED, UNTOUCHED),
    Row(
        "the daemon dies once, migration-threshold=1",
        dies_with_threshold,
        UNTOUCHED,
        MOVED,
    ),
    Row(
        "the daemon cannot start on one host",
        lambda bonds: cannot_start(bonds, bonds.lab.hosts[:1]),
        UNTOUCHED,
        MOVED,
    ),
    Row("an administrator restarts the clone", restarted, UNTOUCHED, RESTARTED),
    Row("an administrator stops the clone", stopped, UNTOUCHED, STOPPED),
    *(
        Row(f"the host goes to standby, {score}", partial(standby, score=score), MOVED, MOVED)
        for score in SCORES
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_trouble_of_the_daemon(bonds: Bonds, row: Row) -> None:
    lab = bonds.lab
    for one in bonds:
        # The last boot in the file may be that of a life before.
        wait_until(one.counter.is_ticking, f"{one.guest.name} counts")
    boots = [one.counter.boot() for one in bonds]
    with row.enter(bonds):
        # What Pacemaker makes of it follows at once, or never.
        lab.cluster.wait_idle(SETTLED_S)
        time.sleep(3)
        lab.cluster.wait_idle(SETTLED_S)
        found = [outcome(one, boot or "") for one, boot in zip(bonds, boots)]
    print(f"{row.name}: soft {found[0]}, hard {found[1]}")
    lab.hosts[0].must(["crm_resource", "--cleanup"], timeout_s=60)
    for one in bonds:
        lab.cluster.wait_running(one.resource, "host1", timeout_s=SETTLED_S)
    stonith.wait_ready(lab)
    lab.cluster.wait_idle(SETTLED_S)
    assert found == [row.soft, row.hard]
    assert lab.fencing.events() == []


def outcome(one: Registered, boot: str) -> str:
    hosts = one.hosts()
    if not hosts:
        return STOPPED
    if hosts == ["host1"]:
        # One that has just been started does not count yet.
        wait_until(one.counter.is_ticking, f"{one.guest.name} counts")
        return UNTOUCHED if one.counter.boot() == boot else RESTARTED
    return MOVED if hosts == ["host2"] else f"on {hosts}"


def kill(host: Machine) -> None:
    pid = stonith.status(host).get("pid")
    assert isinstance(pid, int)
    host.must(["kill", "-KILL", str(pid)])


def has_failed(lab: Lab) -> bool:
    return any(each.operation.startswith(DAEMON) for each in lab.status().failures)


def is_stopping(lab: Lab, resource: str) -> bool:
    return any("Stopping" in (one.role, one.pending) for one in lab.status().find(resource))


def active(lab: Lab) -> set[str]:
    """The hosts that the daemon runs on."""
    return {host for one in lab.status().find(DAEMON) if one.is_active for host in one.hosts}
