# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtualDomain under Pacemaker on real hosts: what a guest goes through, and what it survives."""

from __future__ import annotations

import re
import time

import pytest

from tests.lab.cluster.cib import RSC_DEFAULTS
from tests.lab.cluster.registration import Operation, Registered, configure, register
from tests.lab.faults.situations import wait_until
from tests.lab.hosts import hypervisor, ssh
from tests.lab.truth.truth_situations import WRITES, enlarge, thin_storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=8)

MONITOR_INTERVAL_S = 10
# The console is a file that is looked at every 10 ms, and a tick comes every 100 ms; the rest is
# what two cores that emulate three machines, and do other things, need to come round.
SILENCE_SLACK_S = 3.0
# ssh gives up a connection after 10 s, and a migration has minutes.
AT_ONCE_S = 20
CREATING = "/run/lab/creating"
# The rc-code of an operation that is under way.
PENDING = 193


@pytest.fixture
def vm(lab: Lab, new_guest: Callable[..., Guest], host1: Machine) -> Registered:
    """A guest with live migration on, at home on host1, stopped."""
    return register(lab, new_guest("guest1"), host1, "-m", "on")


@pytest.fixture
def sticky(clean_lab: Lab) -> None:
    """Without stickiness the preferred node pulls a moved guest back at once."""
    set_rsc_defaults(clean_lab.host("host1"), "linux-ha-japan")


@pytest.fixture
def blocking(clean_lab: Lab) -> Iterator[None]:
    """A failed migration blocks the guest where it is instead of having its host fenced."""
    before = {host: host.read("/etc/vm-ctl.conf") for host in clean_lab.hosts}
    configure(clean_lab, vm_stonith='"off"')
    yield
    for host, text in before.items():
        if host.is_alive():
            host.write("/etc/vm-ctl.conf", text)


def test_guest_starts_and_stops(vm: Registered) -> None:
    vm.start()
    assert vm.hosts() == ["host1"]
    vm.vm_ctl("resource", "stop", "guest1")
    vm.lab.cluster.wait_stopped(vm.resource)
    assert vm.hosts() == []
    assert vm.failures() == []


@pytest.mark.usefixtures("sticky")
def test_live_migrations_in_a_row_break_nothing(
    vm: Registered, host1: Machine, host2: Machine, is_full: bool
) -> None:
    boot = vm.start()
    figures = []
    for target in [host2, host1] * (10 if is_full else 2):
        with vm.counter.watch() as watch:
            vm.move(target)
            assert vm.counter.is_ticking()
        assert vm.hosts() == [target.name]
        figures.append((watch.longest_silence_s, downtime_s(target, vm.guest)))
    print("silence and libvirt's downtime in s:", [f"{a:.2f} {b:.2f}" for a, b in figures])
    assert vm.counter.boots() == [boot]
    assert [pair for pair in figures if pair[0] > pair[1] + SILENCE_SLACK_S] == []
    assert vm.failures() == []


@pytest.mark.usefixtures("blocking")
@pytest.mark.parametrize(
    ("break_it", "where", "reason"),
    [
        (ssh.remove_key, "host2", "Permission denied"),
        (ssh.change_host_key, "host2", "Host key verification failed"),
        (ssh.only_password, "host2", "Permission denied"),
        (ssh.forget_known_hosts, "host1", "Host key verification failed"),
    ],
)
def test_migration_over_broken_ssh_fails_at_once_and_leaves_the_guest(
    vm: Registered,
    host1: Machine,
    break_it: Callable[[Machine], None],
    where: str,
    reason: str,
) -> None:
    """By Pacemaker alone: vm-ctl would refuse the move (test_vm_ctl_live_move.py)."""
    boot = vm.start()
    lab = vm.lab
    break_it(lab.host(where))

    def ended() -> list[Operation]:
        return [one for one in vm.history(host1) if one.name == "migrate_to" and one.rc != PENDING]

    try:
        host1.must(["crm_resource", "--move", "--resource", vm.resource, "--node", "host2"])
        wait_until(lambda: bool(ended()), "the end of migrate_to", 200)
    finally:
        for host in lab.hosts:
            ssh.repair(host, lab.hosts)
    failed = ended()
    assert [one.rc for one in failed] == [1]
    assert reason in vm.exit_reasons("migrate_to", host1)[-1]
    assert failed[0].exec_time_s < AT_ONCE_S
    assert vm.hosts() == ["host1"]
    assert vm.counter.is_ticking()
    assert vm.counter.boots() == [boot]


@pytest.mark.usefixtures("sticky")
def test_migration_over_tcp(vm: Registered, host1: Machine, host2: Machine) -> None:
    host1.must(["crm_resource", "-r", vm.resource, "-p", "migration_transport", "-v", "tcp"])
    boot = vm.start()
    vm.move(host2)
    assert vm.hosts() == ["host2"]
    assert vm.counter.boots() == [boot]


@pytest.mark.parametrize("defaults", ["pacemaker", "linux-ha-japan"])
def test_guest_of_a_killed_host_returns_on_the_other(
    lab: Lab, vm: Registered, host1: Machine, defaults: str
) -> None:
    set_rsc_defaults(host1, defaults)
    boot = vm.start()
    host1.kill()
    lab.cluster.wait_running(vm.resource, "host2", timeout_s=120)
    vm.counter.wait_for_boot(other_than=boot)
    assert ("reboot", "host1", "OK") in [event[1:] for event in lab.fencing.events()]
    assert vm.hosts() == ["host2"]


def test_libvirtd_away_for_long_harms_nobody(vm: Registered, host1: Machine, is_full: bool) -> None:
    boot = vm.start()
    hypervisor.kill(host1)
    began = time.monotonic()
    while time.monotonic() - began < (60 if is_full else 2 * MONITOR_INTERVAL_S + 2):
        assert vm.failures() == []
        assert vm.hosts() == ["host1"]
        time.sleep(1)
    hypervisor.start(host1)
    time.sleep(MONITOR_INTERVAL_S + 2)
    assert vm.failures() == []
    assert vm.counter.boots() == [boot]
    assert vm.counter.is_ticking()


@pytest.mark.parametrize("away", [hypervisor.kill, hypervisor.freeze])
def test_stop_succeeds_without_libvirtd(
    vm: Registered, host1: Machine, away: Callable[[Machine], None]
) -> None:
    vm.start()
    away(host1)
    host1.must(["vm-ctl", "resource", "stop", "guest1"], timeout_s=120)
    vm.lab.cluster.wait_stopped(vm.resource, timeout_s=120)
    assert vm.hosts() == []
    assert vm.failures() == []
    assert vm.lab.fencing.events() == []


def test_killed_qemu_returns_on_its_own_host_each_time(vm: Registered, is_full: bool) -> None:
    boot = vm.start()
    times = 10 if is_full else 3
    for _ in range(times):
        for _host, process in vm.lab.guests.processes(vm.guest):
            process.kill()
        boot = vm.counter.wait_for_boot(other_than=boot, timeout_s=120).boot
        assert vm.hosts() == ["host1"]
    vm.lab.cluster.wait_running(vm.resource, "host1")
    assert len(vm.counter.boots()) == times + 1
    assert not vm.counter.is_going_back()


@pytest.mark.usefixtures("sticky")
def test_create_that_comes_late_is_no_second_life(lab: Lab, vm: Registered, host1: Machine) -> None:
    """The start on host1 ends while its libvirtd is stopped in the middle of the create."""
    vm.set_operation("start-0", timeout="20s")
    # The hook keeps the create under way until libvirtd is stopped inside it.
    wait = f"touch {CREATING}; while [ -e {CREATING} ]; do sleep .1; done"
    hook = f'#!/bin/sh\n[ "$2" = prepare ] && {{ {wait}; }}\nexit 0\n'
    host1.must(["rm", "-f", CREATING])
    host1.write("/etc/libvirt/hooks/qemu", hook, "0755")
    hypervisor.stop(host1)
    hypervisor.start(host1)
    try:
        host1.must(["vm-ctl", "resource", "start", "guest1", "--no-wait"])
        wait_for_file(host1, CREATING)
        hypervisor.freeze(host1)
        host1.must(["rm", CREATING])
        lab.cluster.wait_running(vm.resource, "host2", timeout_s=90)
        boot = vm.counter.wait_for_boot().boot
        hypervisor.thaw(host1)
        wait_until(lambda: vm.hosts() == ["host1", "host2"], "the late create")
        assert "paused" in host1.must(["virsh", "domstate", "guest1"])
        time.sleep(5)
        assert vm.counter.boots() == [boot]
        host1.must(["crm_resource", "--refresh", "-r", vm.resource, "--node", "host1"])
        wait_until(lambda: vm.hosts() == ["host2"], "the shell's removal")
        assert vm.counter.boots() == [boot]
        assert vm.counter.is_ticking()
    finally:
        host1.must(["rm", "-f", "/etc/libvirt/hooks/qemu", CREATING])
        hypervisor.stop(host1)
        hypervisor.start(host1)


def test_guest_whose_definition_is_gone_is_known_and_stopped(
    lab: Lab, vm: Registered, host1: Machine
) -> None:
    vm.start()
    host1.must(["rm", "/etc/libvirt/qemu/guest1.xml"])
    time.sleep(MONITOR_INTERVAL_S + 2)
    assert vm.failures() == []
    host1.must(["vm-ctl", "resource", "stop", "guest1"], timeout_s=200)
    lab.cluster.wait_stopped(vm.resource, timeout_s=120)
    assert vm.hosts() == []
    assert vm.failures() == []


def test_degraded_guest_is_shown_and_not_recovered(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    thin_storage(host1)
    vm = register(lab, new_guest(**WRITES._asdict()), host1)
    vm.set_operation("monitor-10s", interval="2s")
    boot = vm.start()
    life = lab.guests.processes(vm.guest)
    wait_until(lambda: bool(vm.failures()), "a monitor that says 190")
    time.sleep(5)
    (shown,) = vm.failures()
    assert "paused by an I/O error" in shown.reason
    assert lab.cluster.status().hosts_of(vm.resource) == ["host1"]
    assert "fail-count" not in host1.must(["cibadmin", "--query", "--scope", "status"])
    assert lab.guests.processes(vm.guest) == life
    enlarge(host1)
    host1.must(["virsh", "-q", "resume", "guest1"])
    host1.must(["crm_resource", "--cleanup", "-r", vm.resource])
    wait_until(lambda: not vm.failures(), "a monitor that says 0")
    time.sleep(5)
    assert vm.failures() == []
    assert lab.guests.processes(vm.guest) == life
    assert vm.counter.boots() == [boot]
    assert lab.fencing.events() == []


def test_running_guest_is_registered_without_a_break(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("guest1")
    lab.guests.start(guest, host1)
    boot = lab.guests.counter(guest).wait_for_boot().boot
    refused = host1.run(["vm-ctl", "resource", "add", "guest1", "-a", "host1"])
    assert refused.rc == 1
    assert "host1" in refused.err
    vm = register(lab, guest, host1, "--running")
    lab.cluster.wait_running(vm.resource, "host1")
    time.sleep(MONITOR_INTERVAL_S + 2)
    assert vm.counter.boots() == [boot]
    assert vm.counter.is_ticking()
    assert vm.failures() == []


def downtime_s(target: Machine, guest: Guest) -> float:
    """What libvirt reports of the migration by which the guest has come."""
    text = target.must(["virsh", "domjobinfo", guest.name, "--completed"])
    found = re.search(r"Total downtime:\s+(\d+)", text)
    assert found is not None, text
    return int(found.group(1)) / 1000


def set_rsc_defaults(host: Machine, flavour: str) -> None:
    for name, value in RSC_DEFAULTS[flavour].items():
        host.must(["crm_attribute", "-t", "rsc_defaults", "-n", name, "-v", value])


def wait_for_file(host: Machine, path: str) -> None:
    wait_until(lambda: host.run(["test", "-e", path]).rc == 0, path)
