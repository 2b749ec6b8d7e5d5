# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests leave a host that is not well, by the constraints that vm-ctl writes for the clones of the
slides, and come back only as the constraints say.

host1's gateway is an address of host2, its disk a device that stalls in the kernel. migration-
threshold is 1, as Linux-HA Japan has it: a vm-stonithd that has failed once is started there no
more.
"""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

import pytest

from pmkvm.pacemaker import attributes
from tests.lab.cluster import slides, stonith
from tests.lab.cluster.registration import Registered, register
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import Guest
from tests.tools.stalling_disk import stalling_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab
    from tests.tools.stalling_disk import StallingDisk

pytestmark = pytest.mark.rotating(parts=8)

# Of the slides, vm-ctl.conf, ocf:pacemaker:ping (attempts * timeout) and diskd, which has none.
INTERVAL_S, DAMPEN_S, PING_S, DISK_TIMEOUT_S = 10, 1, 3 * 2, 60
STOP_S, START_S = 90, 120
RECOVERED_S = 150.0
WATCH_S = 15.0


class Scene(NamedTuple):
    """of_old has the slides' colocation with vm-stonithd (INFINITY), newer that of today."""

    lab: Lab
    disk: StallingDisk
    of_old: Registered
    newer: Registered

    @property
    def host1(self) -> Machine:
        return self.lab.hosts[0]

    @property
    def guests(self) -> tuple[Registered, Registered]:
        return self.of_old, self.newer


class Fault(NamedTuple):
    """What befalls host1, and for how long nobody may know, by what is configured."""

    happens: Callable[[Scene], contextlib.AbstractContextManager[None]]
    known_s: int
    name: str
    well: str
    leaves: tuple[str, ...] = ("guest1", "guest2")


@contextlib.contextmanager
def gateway_lost(scene: Scene) -> Iterator[None]:
    route = ["blackhole", f"{slides.GATEWAY}/32"]
    scene.host1.must(["ip", "route", "replace", *route])
    try:
        yield
    finally:
        scene.host1.must(["ip", "route", "delete", *route])


@contextlib.contextmanager
def disk_hung(scene: Scene) -> Iterator[None]:
    with scene.disk.stalled():
        yield


@contextlib.contextmanager
def stonithd_killed(scene: Scene) -> Iterator[None]:
    scene.host1.must(["kill", "-KILL", str(stonith.status(scene.host1)["pid"])])
    try:
        yield
    finally:
        scene.host1.must(["crm_resource", "--cleanup", "--resource", stonith.STONITHD])


FAULTS = {
    "gateway unreachable": Fault(
        gateway_lost, INTERVAL_S + PING_S + DAMPEN_S, "default_ping_set", "100"
    ),
    "disk hung": Fault(disk_hung, INTERVAL_S + DISK_TIMEOUT_S, "diskcheck_status", "normal"),
    "vm-stonithd killed for good": Fault(
        stonithd_killed, INTERVAL_S, "default_ping_set", "100", leaves=("guest1",)
    ),
}


@pytest.fixture(scope="module")
def scene(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """guest1 and guest2 run at home, on host1."""
    host1 = lab.hosts[0]
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(stalling_disk(tmp_path_factory.mktemp("disk")))
        for host in lab.hosts:
            stack.callback(host.run, ["rm", "-f", slides.DISK])
        # diskd lets go of the device before it is detached.
        stack.callback(lab.clean)
        lab.clean()
        slides.load(lab, first_disk=disk.path)
        guests = []
        for name, score in (("guest1", "INFINITY"), ("guest2", "100")):
            lab.guests.define(Guest(name))
            keys = {**slides.ENTRIES, "vm_stonithd_col": score}
            with slides.configured(lab, **keys):
                guests.append(register(lab, Guest(name), host1))
        for one in guests:
            one.start()
        yield Scene(lab, disk, guests[0], guests[1])


def values(name: str, lab: Lab) -> set[str]:
    """Of all hosts; a host without one has an empty one."""
    said = lab.cluster.speaker().run(["attrd_updater", "--query", "--all", "--name", name]).out
    found = attributes.parse(said, name)
    return {found.get(host.name, "") for host in lab.hosts}


@pytest.mark.parametrize("what", FAULTS)
def test_guests_leave_and_come_back_only_when_told(scene: Scene, what: str) -> None:
    lab, fault = scene.lab, FAULTS[what]
    for one in scene.guests:
        if one.hosts() != ["host1"]:
            one.move(scene.host1)
        assert one.hosts() == ["host1"]
    lab.cluster.wait_idle()
    boots = {one.guest.name: one.counter.wait_for_tick().boot for one in scene.guests}
    leaving = [one for one in scene.guests if one.guest.name in fault.leaves]
    configured_s = fault.known_s + STOP_S + START_S

    with fault.happens(scene):
        began = time.monotonic()
        for one in leaving:
            left_s = began + configured_s - time.monotonic()
            lab.cluster.wait_running(one.resource, "host2", timeout_s=left_s)
        took_s = time.monotonic() - began
        print(f"{what}: {fault.leaves} run on host2 after {took_s:.1f} s")
        print(f"{fault.known_s} + {STOP_S} + {START_S} = {configured_s} s are configured")
        lab.cluster.wait_idle()
        for one in scene.guests:
            assert one.hosts() == ["host2" if one in leaving else "host1"]

    wait_until(lambda: values(fault.name, lab) == {fault.well}, "host1 is well", RECOVERED_S)
    stonith.wait_ready(lab)
    lab.cluster.wait_idle()
    time.sleep(WATCH_S)
    # Their stickiness is INFINITY, and their home has 200.
    for one in leaving:
        assert one.hosts() == ["host2"]
        assert one.counter.wait_for_boot(other_than=boots[one.guest.name])
        assert not one.counter.is_going_back()
    assert all(
        one.counter.boots()[-1] == boots[one.guest.name]
        for one in scene.guests
        if one not in leaving
    )
    assert lab.status().failures == []
    assert lab.fencing.events() == []
