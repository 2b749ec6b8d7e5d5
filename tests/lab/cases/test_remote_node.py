# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on a Pacemaker Remote node: what lives there is started nowhere else, vm-ctl knows the
node, and no guest fences another one there."""

from __future__ import annotations

import time

import pytest

from tests.lab.cluster import slides
from tests.lab.cluster.cib import location, primitive
from tests.lab.cluster.registration import Registered, register
from tests.lab.cluster.remote_node import remote_node
from tests.lab.faults.situations import SHORT_S, matches
from tests.lab.guests.guests import Guest
from tests.lab.guests.lives import Lives
from tests.lab.guests.pair import BOOT_S, Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=8)

SETTLE_S = 240.0
WATCH_S = 5.0
CLONES = ("clnVmConnectd", "clnVmStonithd")


@pytest.fixture
def remote(clean_lab: Lab) -> Iterator[Machine]:
    with remote_node(clean_lab) as host:
        yield host


def live(lab: Lab) -> Registered:
    """guest1, which migrates live, at home on host1, and stays where it is."""
    host1, guest = lab.hosts[0], Guest("guest1", power="deaf")
    stickiness = ["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v"]
    host1.must([*stickiness, "INFINITY"])
    lab.guests.define(guest)
    return register(lab, guest, host1, "-m", "on")


def stop(vm: Registered) -> None:
    for _, process in vm.lab.guests.processes(vm.guest):
        process.kill()
    vm.vm_ctl("resource", "stop", vm.guest.name)
    vm.lab.cluster.wait_stopped(vm.resource, timeout_s=SETTLE_S)
    assert vm.hosts() == []


def test_a_guest_that_lives_on_a_remote_node_is_started_on_no_member(
    lab: Lab, remote: Machine, host1: Machine, host2: Machine
) -> None:
    """A person has migrated it there. Pacemaker may not place it there, and recovers it."""
    vm = live(lab)
    boot = vm.start()
    assert vm.hosts() == [host1.name]
    lab.cluster.add(location("not-there", vm.resource, remote.name, "-INFINITY"))
    lab.cluster.wait_idle()
    with Lives(lab.guests, vm.guest) as lives:
        lab.guests.migrate(vm.guest, host1, remote, "tcp")
        tried = {(f"{vm.resource}_start_0", host.name) for host in (host1, host2)}
        lab.cluster.wait(
            lambda now: tried <= {(one.operation, one.host) for one in now.failures},
            "a start on each member",
            SETTLE_S,
        )
        lab.cluster.wait_idle(SETTLE_S)
        time.sleep(WATCH_S)
    assert vm.hosts() == [remote.name]
    assert {life.host for life in lives.all()} == {host1.name, remote.name}
    reasons = [text for host in (host1, host2) for text in vm.exit_reasons("start", host)]
    said = f"guest1: lives on {remote.name}, and is not started here too"
    assert {text for text in reasons if said in text} == set(reasons) != set()
    # Where it may be found it is, as it is.
    host1.must(["cibadmin", "--delete", "--xpath", "//rsc_location[@id='not-there']"])
    host1.must(["crm_resource", "--cleanup", "--resource", vm.resource])
    lab.cluster.wait_running(vm.resource, remote.name, timeout_s=SETTLE_S)
    assert vm.hosts() == [remote.name]
    assert vm.counter.boots() == [boot]
    assert not vm.counter.is_going_back()
    assert vm.counter.is_ticking()
    stop(vm)
    assert lab.fencing.events() == []


def test_vm_ctl_moves_a_guest_to_a_remote_node_and_lists_it_there(
    lab: Lab, remote: Machine, host1: Machine, host2: Machine
) -> None:
    vm = live(lab)
    boot = vm.start()
    vm.move(remote)
    assert vm.hosts() == [remote.name]
    assert "guest1" in vm.vm_ctl("resource", "list", "-n", remote.name)
    assert "guest1" not in vm.vm_ctl("resource", "list", "-n", host1.name)
    inner = primitive("inner", meta={"remote-node": "inner1", "target-role": "Stopped"})
    lab.cluster.add(inner)
    refused = host1.run(["vm-ctl", "resource", "move", "guest1", "-n", "inner1"])
    assert refused.rc == 1
    assert "MSG75 inner1" in refused.err
    vm.move(host2)
    assert vm.hosts() == [host2.name]
    assert vm.counter.boots() == [boot]
    assert not vm.counter.is_going_back()
    assert vm.counter.is_ticking()
    assert lab.fencing.events() == []
    assert lab.status().failures == []
    stop(vm)


def test_a_guest_on_a_remote_node_is_fenced_by_no_guest(clean_lab: Lab, host1: Machine) -> None:
    lab = clean_lab
    pair = Pair.make(lab)
    target = pair.target
    boot = target.counter.boot()
    # The daemons belong on members.
    name = f"host{len(lab.hosts) + 1}"
    lab.cluster.add(*(location(f"not-{each}", each, name, "-INFINITY") for each in CLONES))
    with remote_node(lab) as remote:
        assert remote.name == name
        lab.guests.define(target.guest, [remote])
        with slides.configured(lab, vm_stonithd1=f"({CLONES[1]})"):
            moved = host1.run(["vm-ctl", "resource", "move", "guest2", "-n", name], timeout_s=300)
        assert moved.rc == 0, moved
        assert f"MSG76 {name}" in moved.err
        assert target.hosts() == [name]
        answered = pair.answer("reset", timeout_s=SHORT_S)
        assert matches(rf"NG.*{name} is a remote node and may run {target.resource}", answered.text)
        assert target.hosts() == [name]
        assert target.counter.is_ticking()
        assert target.counter.boots() == [boot]
        # Back on a member it is fenced as ever.
        target.move(lab.hosts[1])
        answered = pair.answer("reset")
        assert answered.is_ok, answered
        second = pair.returned(boot or "")
        assert target.counter.boots() == [boot, second]
        lab.cluster.wait_running(target.resource, timeout_s=BOOT_S)
        assert lab.fencing.events() == []
        for one in pair:
            stop(one)
