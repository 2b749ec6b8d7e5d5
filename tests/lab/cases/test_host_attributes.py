# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that is not well, in the eyes of its guest: vm-managerd, vm-client and a rule, as
doc/vm-managerd.md has them, move the service of a cluster of guests to a guest on another host.

The hosts' gateway is an address of the second host; the first one loses it by a route. No diskd
runs: its attribute is set by hand.
"""

from __future__ import annotations

import json
import time

import pytest

from pmkvm.deadline import Deadline
from pmkvm.pacemaker import attributes
from tests.lab.cluster import stonith
from tests.lab.errors import LabError
from tests.lab.guests import nested
from tests.lab.guests.nested import GuestCluster
from tests.ocf.agent import ENVIRONMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster.registration import Registered
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=14)

PAGE = "vm-managerd.md"
GATEWAY = "10.77.0.254"
PING_ATTRIBUTE, DISK_ATTRIBUTE = "default_ping_set", "diskcheck_status"
PING = f"""
primitive prmPing ocf:pacemaker:ping \\
  params name={PING_ATTRIBUTE} host_list={GATEWAY} multiplier=100 dampen=1s attempts=2 timeout=1 \\
  op start interval=0s timeout=60s \\
  op monitor interval=2s timeout=60s \\
  op stop interval=0s timeout=60s
clone clnPing prmPing
"""
# What moves the service is asked here, and nobody is fenced for it. A score above the stickiness:
# it goes home when it may.
OF_THE_GUESTS = f"""
property stonith-enabled=false
location locService_home {nested.SERVICE} 500: guest1
"""
# An emulated guest takes its time for the restart of vm-client that must move nothing.
DAMPEN_S = 20
# On a machine that is busy. What the page promises is 20 s and 30 s for its own dampen of 5 s.
MOVED_S = 180.0
MIGRATED_S = 240.0
RECOVERED_S = 120.0
# Longer than all that a restart could set off.
QUIET_S = DAMPEN_S + 15.0
POLL_S = 0.5
AGENT = "/usr/lib/ocf/resource.d/extra/vm-client"
# Beside a host that is mute, in this order; the page's own timeout, in an emulated guest.
ACTIONS = {"start": 0, "monitor": 0, "stop": 0, "monitor afterwards": 7}
ACTION_S = 60


@pytest.fixture(scope="module")
def guest_cluster(lab: Lab) -> Iterator[GuestCluster]:
    """Both guests up, the service on guest1."""
    lab.clean()
    gateway = lab.hosts[1]
    gateway.must(["ip", "address", "replace", f"{GATEWAY}/32", "dev", "eth0"])
    try:
        made = GuestCluster.make(lab)
        managerd = stonith.with_logs(stonith.documented("primitive prmVmManagerd", PAGE))
        lab.cluster.configure_crm(PING + managerd)
        for host in lab.hosts:
            disk(host, "normal")
        of_client = stonith.documented("primitive prmVmClient", PAGE)
        slower = of_client.replace("attribute_list=", f"dampen={DAMPEN_S}s attribute_list=")
        made.start(OF_THE_GUESTS, slower)
        yield made
    finally:
        if gateway.is_alive():
            gateway.run(["ip", "address", "delete", f"{GATEWAY}/32", "dev", "eth0"])
        lose_gateway(lab.hosts[0], is_lost=False)


@pytest.fixture
def at_home(guest_cluster: GuestCluster) -> Iterator[GuestCluster]:
    """The service is on guest1 before the test, and no host is fenced in it."""
    wait_on(guest_cluster, "guest1", MOVED_S)
    yield guest_cluster
    assert guest_cluster.lab.fencing.events() == []


def lose_gateway(host: Machine, *, is_lost: bool) -> None:
    if host.is_alive():
        host.run(["ip", "route", "replace" if is_lost else "delete", "blackhole", f"{GATEWAY}/32"])


def disk(host: Machine, value: str) -> None:
    """As diskd would."""
    host.must(["attrd_updater", "--name", DISK_ATTRIBUTE, "--update", value])


def wait_on(cluster: GuestCluster, guest: str, timeout_s: float) -> float:
    """Until the service runs on that guest alone, by the word of guest2; seconds."""
    began = time.monotonic()
    what = f"the service runs on {guest}"
    other = cluster.members[1]
    try:
        cluster.wait(lambda now: now.hosts_of(nested.SERVICE) == [guest], what, timeout_s, other)
    except LabError:
        print(cluster.picture())
        raise
    return time.monotonic() - began


def value_in(cluster: GuestCluster, member: Registered, name: str) -> str:
    """Of the guest's own node, empty if it is not defined."""
    said = cluster.ask(member, ["attrd_updater", "--query", "--all", "--name", name])
    return attributes.parse(said, name).get(member.guest.name, "")


def client(cluster: GuestCluster, member: Registered) -> dict[str, object]:
    """What vm-client in the guest says of itself, empty if it does not run."""
    said = cluster.ask(member, ["vm-client", "--status"])
    found: dict[str, object] = json.loads(said) if said.strip() else {}
    return found


def action(cluster: GuestCluster, member: Registered, name: str) -> int:
    """What a second vm-client in the guest answers; timeout(1) kills it where Pacemaker would."""
    given = {**ENVIRONMENT, "OCF_RESOURCE_INSTANCE": "second", "OCF_RESKEY_attribute_list": "b"}
    given["OCF_RESKEY_CRM_meta_timeout"] = f"{ACTION_S}000"
    assignments = [f"{key}={value}" for key, value in given.items()]
    argv = [
        "env",
        *assignments,
        "timeout",
        "-s",
        "KILL",
        str(ACTION_S),
        AGENT,
        name.split(maxsplit=1)[0],
    ]
    began = time.monotonic()
    done = cluster.lab.guests.run(
        member.guest, [*argv, name.partition(" ")[0]], timeout_s=ACTION_S + nested.ASK_S
    )
    print(f"{name}: {done.rc} after {time.monotonic() - began:.1f} s {done.err}")
    return done.rc


def managerd(host: Machine) -> dict[str, object]:
    done = host.run(["vm-managerd", "--status"])
    found: dict[str, object] = json.loads(done.out) if done.rc == 0 else {}
    return found


def wait_until(is_so: Callable[[], object], what: str, timeout_s: float) -> None:
    """A guest that migrates, or a daemon that starts, may not answer."""
    deadline = Deadline(timeout_s)
    while not _holds(is_so):
        assert not deadline.expired(), f"not within {timeout_s:.0f} s: {what}"
        deadline.pause(POLL_S)


def _holds(is_so: Callable[[], object]) -> bool:
    try:
        return bool(is_so())
    except (LabError, ValueError):
        return False


def test_a_host_that_loses_its_gateway_loses_the_service_of_its_guest(
    at_home: GuestCluster,
) -> None:
    host, member = at_home.lab.hosts[0], at_home.members[0]
    assert value_in(at_home, member, PING_ATTRIBUTE) == "green"
    lose_gateway(host, is_lost=True)
    took_s = wait_on(at_home, "guest2", MOVED_S)
    print(f"the service left guest1 {took_s:.1f} s after its host lost the gateway")
    assert value_in(at_home, member, PING_ATTRIBUTE) == "red"
    # The guest itself is where it was.
    assert member.hosts() == ["host1"]
    lose_gateway(host, is_lost=False)
    print(f"it is back {wait_on(at_home, 'guest1', MOVED_S):.1f} s after the gateway")


def test_a_disk_that_fails_on_the_host_moves_the_service(at_home: GuestCluster) -> None:
    host = at_home.lab.hosts[0]
    disk(host, "ERROR")
    print(f"moved after {wait_on(at_home, 'guest2', MOVED_S):.1f} s")
    disk(host, "normal")
    wait_on(at_home, "guest1", MOVED_S)


def test_a_host_that_is_mute_has_no_attributes_in_the_guest(at_home: GuestCluster) -> None:
    """vm-managerd hangs: Pacemaker of the hosts sees it alive, and only the guest misses it."""
    host, member = at_home.lab.hosts[0], at_home.members[0]
    pid = str(managerd(host)["pid"])
    host.must(["kill", "-STOP", pid])
    try:
        print(f"moved after {wait_on(at_home, 'guest2', MOVED_S):.1f} s")
        assert value_in(at_home, member, PING_ATTRIBUTE) == ""
        assert client(at_home, member)["host_is_mute"]
        assert [action(at_home, member, one) for one in ACTIONS] == list(ACTIONS.values())
    finally:
        host.must(["kill", "-CONT", pid])
    wait_on(at_home, "guest1", MOVED_S)


def test_restarts_of_vm_managerd_and_vm_client_move_nothing(at_home: GuestCluster) -> None:
    host, member = at_home.lab.hosts[0], at_home.members[0]
    before = {record.instance for region in at_home.records() for record in region}
    # Pacemaker starts each again after its next monitor.
    pid = managerd(host)["pid"]
    host.must(["kill", "-KILL", str(pid)])
    wait_until(lambda: managerd(host).get("pid", pid) != pid, "vm-managerd is back", RECOVERED_S)
    pid = client(at_home, member)["pid"]
    at_home.ask(member, ["kill", "-KILL", str(pid)])
    wait_until(
        lambda: client(at_home, member).get("pid", pid) != pid, "vm-client is back", RECOVERED_S
    )
    time.sleep(QUIET_S)
    assert at_home.status(at_home.members[1]).hosts_of(nested.SERVICE) == ["guest1"]
    # Nor was the service started anew.
    after = {record.instance for region in at_home.records() for record in region}
    assert after == before
    assert value_in(at_home, member, PING_ATTRIBUTE) == "green"


def test_after_a_live_migration_the_guest_sees_its_new_host(at_home: GuestCluster) -> None:
    """The last one of these tests: guest1 stays on host2."""
    lab, member = at_home.lab, at_home.members[0]
    boots = member.counter.boots()
    asked = lab.cluster.speaker()
    setting = ["crm_resource", "--resource", member.resource]
    asked.must([*setting, "--meta", "--set-parameter", "allow-migrate", "-v", "true"])
    # libvirt can't know that the hosts share this machine's disk.
    asked.must([*setting, "--set-parameter", "migrate_options", "-v", "--unsafe"])
    asked.must(["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "500"])
    lab.cluster.wait_idle()
    disk(lab.hosts[1], "ERROR")
    assert value_in(at_home, member, DISK_ATTRIBUTE) == "green"
    member.move(lab.hosts[1])
    began = time.monotonic()
    wait_until(
        lambda: value_in(at_home, member, DISK_ATTRIBUTE) == "red",
        "guest1 has host2's attribute",
        MIGRATED_S,
    )
    print(f"guest1 has it {time.monotonic() - began:.1f} s after its migration")
    assert member.counter.boots() == boots
    disk(lab.hosts[1], "normal")
    wait_until(
        lambda: value_in(at_home, member, DISK_ATTRIBUTE) == "green", "it is well again", MOVED_S
    )
