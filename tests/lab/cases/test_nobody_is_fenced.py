# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest may be in when Pacemaker asks for something, with the slides' configuration (where a
guest can't be migrated or stopped its host is fenced): the guest has one life at a time, it does
what it was to do in the end, and nobody is fenced."""

from __future__ import annotations

import re
import socket
import time
from xml.etree.ElementTree import fromstring

import pytest

from tests.lab.cluster.cluster import LOG
from tests.lab.cluster.registration import Registered, register
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import IMAGES, live_channel
from tests.lab.guests.lives import Lives
from tests.lab.hosts import hypervisor, ssh
from tests.lab.truth.truth_storage import SNAPPED, shared_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=7)

SETTLE_S = 240.0
# It would power off by itself where nobody is connected if it took no word for it.
POWERS_OFF = (
    "until head -c 1 /dev/virtio-ports/vmconnectd | grep -q q; do sleep 1; done; poweroff -f"
)
MIGRATION_MIB_S = 1
COPY = f"{IMAGES}/copy.qcow2"
UNSAFE = "--unsafe"
# Of migrate_to: half of it is kept back for the cold move.
SHORT = "60s"
MONITORS_S = 25.0


@pytest.fixture
def live(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine
) -> Iterator[Callable[..., Registered]]:
    """Makes guest1, which migrates live and is at home on host1; nothing is left of it."""
    # Else the preferred host pulls a moved guest back; a move by hand weighs more.
    host1.must(["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "1000"])

    def make(**fields: str) -> Registered:
        found = register(lab, new_guest("guest1", **fields), host1, "-m", "on")
        path = f".//primitive[@id='{found.resource}']//op[@name='migrate_to']"
        operation = lab.cib().find(path)
        assert operation is not None
        assert operation.get("on-fail") == "fence"
        return found

    yield make
    for host in lab.hosts:
        ssh.repair(host, lab.hosts)
        hypervisor.ensure(host)
    name = "migration-prmVMCTL_guest1"
    host1.must(["attrd_updater", "--delete", "--name", name, "--node", host1.name])


def order_move(vm: Registered, host: Machine) -> None:
    """Without vm-ctl, which would ask both ends before it writes anything."""
    vm.lab.cluster.speaker().must(
        ["crm_resource", "--move", "--resource", vm.resource, "--node", host.name]
    )


def require_one_life(vm: Registered, lives: Lives, boots: list[str]) -> None:
    """It ticks on one host, in the last of these boots. No two QEMUs of it ever ran at once, and
    nobody was fenced."""
    assert len(vm.hosts()) == 1
    assert vm.counter.is_ticking()
    assert vm.counter.boots() == boots
    assert not vm.counter.is_going_back()
    assert vm.lab.fencing.events() == []
    ran = [life for life in lives.all() if life.has_run]
    print(ran)
    if len(boots) > 1:
        assert all(one.last_s < other.first_s for one, other in zip(ran, ran[1:])), ran


def settle(vm: Registered, host: Machine | None = None) -> None:
    name = None if host is None else host.name
    vm.lab.cluster.wait_running(vm.resource, name, timeout_s=SETTLE_S)
    vm.lab.cluster.wait_idle(SETTLE_S)


def said(vm: Registered, host: Machine) -> str:
    """What its last migration from there left for a person to read."""
    name = f"migration-{vm.resource}"
    return host.must(["attrd_updater", "--query", "--all", "--name", name])


# It ends on its way.


def powers_off(vm: Registered, source: Machine) -> None:
    """By itself: at a word on its channel. libvirt would not pass a request on meanwhile."""
    element = fromstring(live_channel(source, vm.guest)).find("source")
    path = "" if element is None else element.get("path", "")
    init = source.init()
    assert init is not None
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(f"/proc/{init.pid}/root{path}")
        channel.sendall(b"q")
        wait_until(lambda: source.name not in vm.hosts(), "its end on the source")


def is_killed(vm: Registered, source: Machine) -> None:
    for name, process in vm.lab.guests.processes(vm.guest):
        if name == source.name:
            process.kill()


@pytest.mark.parametrize("end", [powers_off, is_killed])
def test_a_guest_that_ends_in_its_migration_runs_again(
    live: Callable[..., Registered],
    host1: Machine,
    host2: Machine,
    end: Callable[[Registered, Machine], None],
) -> None:
    vm = live(script=POWERS_OFF)
    boot = vm.start()
    host1.must(["virsh", "-q", "migrate-setspeed", "guest1", str(MIGRATION_MIB_S)])
    with Lives(vm.lab.guests, vm.guest) as lives:
        order_move(vm, host2)
        has_begun = re.compile(r"Data processed: +[1-9]")
        job = ["virsh", "-q", "domjobinfo", "guest1"]
        wait_until(lambda: bool(has_begun.search(host1.run(job).out)), "a migration under way")
        assert vm.hosts() == ["host1", "host2"]
        end(vm, host1)
        second = vm.counter.wait_for_boot(other_than=boot).boot
        settle(vm, host2)
    require_one_life(vm, lives, [boot, second])
    print(said(vm, host1))


# A job of an administrator's.


@pytest.mark.parametrize("ends", [True, False])
def test_a_guest_with_a_block_job_moves_when_it_ends_or_cold(
    live: Callable[..., Registered], host1: Machine, host2: Machine, ends: bool
) -> None:
    shared_disk(host1)
    host1.must(["rm", "-f", COPY])
    vm = live(devices=SNAPPED.devices)
    # libvirt takes the lab's directory for one that hosts don't share.
    host1.must(["crm_resource", "--resource", vm.resource, "-p", "migrate_options", "-v", UNSAFE])
    if not ends:
        vm.set_operation("migrate_to-0", timeout=SHORT)
    boot = vm.start()
    argv = ["virsh", "-q", "blockcopy", "guest1", "vda", "--dest", COPY, "--format", "qcow2"]
    host1.must([*argv, "--transient-job"])
    with Lives(vm.lab.guests, vm.guest) as lives:
        order_move(vm, host2)
        wait_until(
            lambda: "waits with its migration for" in host1.run(["grep", "guest1: ", LOG]).out,
            "its waiting",
        )
        assert vm.hosts() == ["host1"]
        info = host1.run(["virsh", "blockjob", "guest1", "vda", "--info"])
        assert "Copy" in info.out + info.err
        boots = [boot]
        if ends:
            host1.must(["virsh", "-q", "blockjob", "guest1", "vda", "--abort"])
        else:
            boots.append(vm.counter.wait_for_boot(SETTLE_S, other_than=boot).boot)
        settle(vm, host2)
    require_one_life(vm, lives, boots)
    assert vm.lab.status().failures == []
    assert ends or "copy" in said(vm, host1)


# A migration that can't work, and no vm-ctl that would have refused it.


@pytest.mark.parametrize(
    ("break_it", "where"),
    [
        (ssh.remove_key, "host2"),
        (ssh.change_host_key, "host2"),
        (hypervisor.kill, "host1"),
    ],
)
def test_a_guest_whose_migration_can_not_work_moves_cold(
    live: Callable[..., Registered],
    host1: Machine,
    host2: Machine,
    break_it: Callable[[Machine], None],
    where: str,
) -> None:
    vm = live()
    boot = vm.start()
    break_it(vm.lab.host(where))
    with Lives(vm.lab.guests, vm.guest) as lives:
        order_move(vm, host2)
        second = vm.counter.wait_for_boot(SETTLE_S, other_than=boot).boot
        settle(vm, host2)
    require_one_life(vm, lives, [boot, second])
    assert vm.lab.status().failures == []
    assert "guest1: stays here" in said(vm, host1)


def test_a_guest_whose_target_has_no_libvirtd_comes_back(
    live: Callable[..., Registered], host1: Machine, host2: Machine
) -> None:
    """It can't be started there, and libvirtd is waited for to the end of each operation."""
    vm = live()
    for operation in ("migrate_from-0", "start-0"):
        vm.set_operation(operation, timeout=SHORT)
    boot = vm.start()
    hypervisor.kill(host2)
    with Lives(vm.lab.guests, vm.guest) as lives:
        order_move(vm, host2)
        second = vm.counter.wait_for_boot(SETTLE_S, other_than=boot).boot
        settle(vm, host1)
    require_one_life(vm, lives, [boot, second])
    assert {one.operation for one in vm.failures()} == {
        f"{vm.resource}_{action}_0" for action in ("migrate_from", "start")
    }


# Its definition hangs.


def hang(host: Machine, path: str) -> None:
    """Who opens it waits for a writer, as on a mount whose server is gone."""
    host.must(["sh", "-c", f"rm -f {path} && mkfifo {path}"])


def mend(host: Machine, path: str) -> None:
    """Who waits in it goes on."""
    host.must(["sh", "-c", f": <>{path}; rm -f {path}"])


@pytest.mark.parametrize("where", ["host1", "host2"])
def test_a_definition_that_hangs_fences_nobody(
    live: Callable[..., Registered], host1: Machine, host2: Machine, where: str
) -> None:
    """On host1, which runs the guest; on host2, which has never run it. Both are asked, and the
    guest is stopped there: it migrates to host2 before."""
    vm = live()
    path = f"/etc/libvirt/qemu/{vm.guest.name}.xml"
    boot = vm.start()
    host = vm.lab.host(where)
    hang(host, path)
    try:
        with Lives(vm.lab.guests, vm.guest) as lives:
            time.sleep(MONITORS_S)
            host1.must(["crm_resource", "--refresh", "--resource", vm.resource])
            settle(vm, host1)
            if host == host2:
                order_move(vm, host2)
                settle(vm, host2)
                time.sleep(MONITORS_S)
            require_one_life(vm, lives, [boot])
        assert vm.lab.status().failures == []
        role = ["crm_resource", "--meta", "--resource", vm.resource, "-p", "target-role", "-v"]
        host1.must([*role, "Stopped"])
        vm.lab.cluster.wait_stopped(vm.resource, timeout_s=SETTLE_S)
        vm.lab.cluster.wait_idle(SETTLE_S)
        assert vm.hosts() == []
        assert vm.lab.fencing.events() == []
        assert vm.lab.status().failures == []
    finally:
        mend(host, path)
