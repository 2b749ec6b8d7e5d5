# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: what every other lab test takes for granted."""

from __future__ import annotations

import time

import pytest

from tests.lab.cluster.cib import FENCE_RSC, location, primitive
from tests.lab.cluster.cluster import LOG
from tests.lab.cluster.fencing import Switch
from tests.lab.faults.situations import wait_until
from tests.lab.hosts import hypervisor, ssh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.cluster.cluster import Cluster
    from tests.lab.guests.guests import Guest, Guests
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=11)

VIRTUAL_DOMAIN = "ocf:heartbeat:VirtualDomain"
SSH_TRUE = ["ssh", "-o", "BatchMode=yes"]


def test_two_hosts_are_online_with_quorum_and_fencing(lab: Lab, cluster: Cluster) -> None:
    now = cluster.status()
    assert now.has_quorum
    assert [name for name, node in sorted(now.nodes.items()) if node.is_well] == ["host1", "host2"]
    listed = cluster.speaker().must(["stonith_admin", "--list", "host2"])
    assert FENCE_RSC in listed
    assert len({host.must(["cat", "/etc/machine-id"]) for host in lab.hosts}) == 2


def test_what_failed_before_a_test_is_forgotten(cluster: Cluster, host1: Machine) -> None:
    host1.must(["crm_resource", "--fail", "-r", FENCE_RSC, "-N", _only_host(cluster)])
    cluster.wait(lambda now: bool(now.failures), "a failure", 60)
    log = host1.read(LOG)[:500]
    cluster.forget_failures()
    assert cluster.status().failures == []
    assert not host1.read(LOG).startswith(log)
    cluster.wait_running(FENCE_RSC)


def _only_host(cluster: Cluster) -> str:
    (host,) = cluster.status().hosts_of(FENCE_RSC)
    return host


def test_guest_boots_and_counts(
    guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("g1")
    guests.start(guest, host1)
    counter = guests.counter(guest)
    first = counter.wait_for_boot()
    assert counter.is_ticking()
    assert counter.boots() == [first.boot]
    assert guests.hosts_of(guest) == ["host1"]


@pytest.mark.parametrize("transport", ["tcp", "ssh"])
def test_live_migration_keeps_the_boot(
    guests: Guests,
    new_guest: Callable[..., Guest],
    host1: Machine,
    host2: Machine,
    transport: str,
) -> None:
    guest = new_guest("g1")
    guests.start(guest, host1)
    counter = guests.counter(guest)
    before = counter.wait_for_boot()
    with counter.watch() as watch:
        guests.migrate(guest, host1, host2, transport)
        assert counter.is_ticking()
    assert guests.hosts_of(guest) == ["host2"]
    assert counter.boots() == [before.boot]
    assert watch.longest_silence_s < 10


def test_killed_host_is_fenced_and_its_resource_restarted(lab: Lab, cluster: Cluster) -> None:
    cluster.add(primitive("dummy"), location("here", "dummy", "host2", "100"))
    cluster.wait_running("dummy", "host2")
    lab.host("host2").kill()
    cluster.wait_running("dummy", "host1")
    cluster.wait_offline(lab.host("host2"))
    assert ("reboot", "host2", "OK") in [event[1:] for event in lab.fencing.events()]


def test_resource_stays_put_until_fencing_works(lab: Lab, cluster: Cluster) -> None:
    cluster.add(primitive("dummy"), location("here", "dummy", "host2", "100"))
    cluster.wait_running("dummy", "host2")
    lab.fencing.set(Switch(refused=["host2"]))
    lab.host("host2").kill()
    cluster.wait(lambda now: now.nodes["host2"].is_unclean, "host2 unclean", 30)
    time.sleep(3)
    assert cluster.status().hosts_of("dummy") != ["host1"]
    lab.fencing.set(Switch())
    lab.host("host1").must(["stonith_admin", "--reboot", "host2"], timeout_s=120)
    cluster.wait_running("dummy", "host1")


def test_fenced_host_boots_again_if_the_switch_says_so(lab: Lab, cluster: Cluster) -> None:
    lab.fencing.set(Switch(boots_again=True))
    lab.host("host2").kill()
    cluster.wait(lambda now: not now.nodes["host2"].is_online, "host2 lost", 60)
    cluster.wait_online()
    assert [event.action for event in lab.fencing.events()] == ["reboot"]


def test_of_two_hosts_cut_off_exactly_one_survives(lab: Lab, cluster: Cluster) -> None:
    cluster.add(primitive("dummy"))
    cluster.wait_running("dummy")
    lab.host("host2").cut()
    cluster.wait(lambda now: not all(node.is_well for node in now.nodes.values()), "split", 30)
    began = time.monotonic()
    while all(host.is_alive() for host in lab.hosts) and time.monotonic() - began < 60:
        time.sleep(0.1)
    assert [host.is_alive() for host in lab.hosts].count(True) == 1
    cluster.wait_running("dummy", cluster.speaker().name)


def test_killed_host_boots_again_and_joins(lab: Lab, cluster: Cluster, host2: Machine) -> None:
    host2.write("/var/lib/kept", "disk")
    host2.write("/run/lost", "memory")
    host2.kill()
    cluster.wait_offline(host2)
    lab.boot(host2)
    cluster.wait_online()
    assert host2.read("/var/lib/kept") == "disk"
    assert host2.run(["test", "-e", "/run/lost"]).rc == 1


@pytest.mark.parametrize(("power", "survives"), [("acpi", False), ("deaf", True)])
def test_power_button(
    guests: Guests,
    new_guest: Callable[..., Guest],
    host1: Machine,
    power: str,
    survives: bool,
) -> None:
    guest = new_guest("g1", power=power)
    guests.start(guest, host1)
    guests.counter(guest).wait_for_boot()
    host1.must(["virsh", "-q", "shutdown", guest.name])
    if survives:
        time.sleep(5)
        assert guests.hosts_of(guest) == ["host1"]
    else:
        wait_until(lambda: guests.hosts_of(guest) == [], "it has switched itself off")


def test_cluster_runs_and_migrates_a_guest(
    cluster: Cluster, guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("g1")
    parameters = {
        "config": f"/etc/libvirt/qemu/{guest.name}.xml",
        "hypervisor": "qemu:///system",
        "migration_transport": "ssh",
        "force_stop": "1",
    }
    operations = [("monitor", "10s", "30s"), ("start", "0", "60s"), ("stop", "0", "60s")]
    vm = primitive(
        "prmVM",
        VIRTUAL_DOMAIN,
        parameters=parameters,
        meta={"allow-migrate": "true"},
        operations=operations,
    )
    cluster.add(vm, location("here", "prmVM", "host1", "100"))
    cluster.wait_running("prmVM", "host1")
    before = guests.counter(guest).wait_for_boot()
    host1.must(["crm_resource", "--move", "-r", "prmVM", "--node", "host2"])
    cluster.wait_running("prmVM", "host2")
    assert guests.hosts_of(guest) == ["host2"]
    assert guests.counter(guest).boots() == [before.boot]


def test_ssh_between_hosts_can_be_broken_and_is_repaired(
    lab: Lab, host1: Machine, host2: Machine
) -> None:
    def login() -> int:
        return host1.run([*SSH_TRUE, "host2", "true"]).rc

    assert login() == 0
    for break_it, host in (
        (ssh.remove_key, host2),
        (ssh.change_host_key, host2),
        (ssh.forget_known_hosts, host1),
        (ssh.only_password, host2),
    ):
        break_it(host)
        assert login() == 255, break_it.__name__
        for one in lab.hosts:
            ssh.repair(one, lab.hosts)
        assert login() == 0, break_it.__name__


def test_frozen_libvirtd_does_not_answer_and_is_mended(
    lab: Lab, guests: Guests, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    guest = new_guest("g1")
    guests.start(guest, host1)
    hypervisor.freeze(host1)
    assert not hypervisor.is_answering(host1)
    assert guests.hosts_of(guest) == ["host1"]
    lab.clean()
    assert hypervisor.is_answering(host1)
    assert guests.hosts_of(guest) == []
