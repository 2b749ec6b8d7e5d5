# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-ctl says when the cluster does not do what it was told, and how soon."""

from __future__ import annotations

import json
import re
import time
from typing import NamedTuple

import pytest

from tests.lab.cluster import corosync, slides
from tests.lab.cluster.registration import Registered, register
from tests.lab.faults.situations import wait_until
from tests.lab.truth.truth_situations import SLEEPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=6)

# The timeout of a start and 15 s are 135 s.
SOON_S = 40.0
RULE = (
    '<rsc_location id="loc-ping" rsc="prmVMCTL_guest1"><rule id="loc-ping-rule" score="-INFINITY"'
    ' boolean-op="or"><expression id="loc-ping-e" operation="not_defined" attribute="pinged"/>'
    '<expression id="loc-ping-f" operation="lt" attribute="pinged" value="100"/></rule>'
    "</rsc_location>"
)
NEVER = '<rsc_location id="loc-never" rsc="prmVMCTL_guest1" node="host2" score="-INFINITY"/>'
GHOST = '<primitive id="prmVMCTL_ghost" class="ocf" provider="extra" type="VirtualDomian"/>'
DB = '<primitive id="db" class="ocf" provider="pacemaker" type="Dummy">{}</primitive>'
STOPPED = (
    '<meta_attributes id="db-meta"><nvpair id="db-role" name="target-role" value="Stopped"/>'
    "</meta_attributes>"
)
SETS = (
    '<resource_set id="set1"><resource_ref id="{}"/></resource_set>'
    '<resource_set id="set2"><resource_ref id="{}"/></resource_set>'
)
AFTER = f'<rsc_order id="after-db" kind="Mandatory">{SETS}</rsc_order>'
WITH = f'<rsc_colocation id="with-db" score="INFINITY">{SETS}</rsc_colocation>'
MAINTENANCE = ("crm_attribute", "--name", "maintenance-mode")
DEFINITION = "/etc/libvirt/qemu/guest1.xml"


class Said(NamedTuple):
    rc: int
    text: str
    took_s: float


@pytest.fixture
def vm(lab: Lab, new_guest: Callable[..., Guest], host1: Machine) -> Iterator[Registered]:
    """guest1, stopped, at home on host1."""
    yield register(lab, new_guest("guest1"), host1, "-m", "on")
    host1.run([*MAINTENANCE, "--delete"])


def vm_ctl(host: Machine, *arguments: str) -> Said:
    began = time.monotonic()
    done = host.run(["vm-ctl", *arguments], timeout_s=300)
    return Said(done.rc, done.err, time.monotonic() - began)


def create(host: Machine, scope: str, xml: str) -> None:
    host.must(["cibadmin", "--create", "--scope", scope, "--xml-text", xml])


def set_standby(hosts: Sequence[Machine], *, on: bool) -> None:
    for host in hosts:
        change = ["--update", "on"] if on else ["--delete"]
        hosts[0].must(["crm_attribute", "--node", host.name, "--name", "standby", *change])


def define(host: Machine, text: str) -> None:
    host.write("/tmp/changed.xml", text)
    host.must(["virsh", "define", "/tmp/changed.xml"])


def problem(host: Machine, domain: str) -> str:
    found = json.loads(host.must(["vm-ctl", "resource", "list", domain, "--json"]))
    return str(found[0]["problem"])


def refused_soon(said: Said, *words: str) -> None:
    assert said.rc == 1
    assert "MSG77" in said.text
    assert [word for word in words if word not in said.text] == [], said.text
    assert said.took_s < SOON_S


def test_a_start_that_nothing_comes_of_ends_soon_and_names_what_holds_it(
    vm: Registered, host1: Machine
) -> None:
    assert problem(host1, "guest1") == "disabled (target-role=Stopped)"
    create(host1, "constraints", RULE)
    named = "host1: loc-ping: pinged is not set there"
    refused_soon(vm_ctl(host1, "resource", "start", "guest1"), named, named.replace("t1", "t2"))
    assert "no node is allowed" in problem(host1, "guest1")
    host1.must(["attrd_updater", "--name", "pinged", "--update", "7"])
    vm.lab.cluster.wait_idle()
    named = "host1: loc-ping: pinged is 7 there (forbidden: < 100)"
    refused_soon(vm_ctl(host1, "resource", "start", "guest1"), named)
    host1.must(["attrd_updater", "--name", "pinged", "--delete"])


def test_maintenance_and_unmanaged_are_named(vm: Registered, host1: Machine) -> None:
    host1.must([*MAINTENANCE, "--update", "true"])
    refused_soon(vm_ctl(host1, "resource", "start", "guest1"), "maintenance-mode")
    host1.must([*MAINTENANCE, "--delete"])
    vm.lab.cluster.wait_running(vm.resource)
    assert problem(host1, "guest1") == ""
    host1.must(["crm_resource", "-r", vm.resource, "--meta", "-p", "is-managed", "-v", "false"])
    refused_soon(vm_ctl(host1, "resource", "stop", "guest1"), "unmanaged")
    assert "unmanaged" in problem(host1, "guest1")


@pytest.mark.usefixtures("vm")
def test_an_agent_that_is_nowhere_is_named(host1: Machine) -> None:
    create(host1, "resources", GHOST)
    refused_soon(vm_ctl(host1, "resource", "start", "ghost"), "host1: its agent", "not installed")


def test_a_start_that_fails_on_both_hosts_is_no_success_and_on_one_no_secret(
    vm: Registered, host1: Machine, host2: Machine
) -> None:
    kept = host1.read(DEFINITION)
    for host in (host1, host2):
        define(host, re.sub("<kernel>.*</kernel>", "<kernel>/nosuch</kernel>", kept))
    refused_soon(
        vm_ctl(host1, "resource", "start", "guest1"),
        "start failed on host1: ",
        "start failed on host2: ",
    )
    assert "start failed on host1: " in problem(host1, "guest1")
    vm.vm_ctl("resource", "stop", "guest1")
    define(host2, kept)
    host1.must(["crm_resource", "--cleanup", "--resource", vm.resource])
    vm.lab.cluster.wait_idle()
    said = vm_ctl(host1, "resource", "start", "guest1")
    assert said.rc == 0, said.text
    assert "MSG78 guest1: runs, but start failed on host1: " in said.text
    assert vm.hosts() == ["host2"]
    define(host1, kept)


def test_a_move_names_its_constraint_and_says_beforehand_that_it_will_not_last(
    vm: Registered, host1: Machine
) -> None:
    said = vm_ctl(host1, "location", "move", "guest1")
    assert (said.rc, "MSG80 guest1: does not run" in said.text) == (0, True), said
    vm.start()
    said = vm_ctl(host1, "resource", "move", "guest1", "-n", "host2", "--dry-run")
    assert "MSG51 guest1: its scores will move it back to host1" in said.text
    create(host1, "constraints", NEVER)
    said = vm_ctl(host1, "resource", "move", "guest1", "-n", "host2")
    assert said.rc == 1
    assert "MSG19 guest1: its constraints forbid it on host2; loc-never" in said.text


def test_a_migration_that_fails_is_said_at_once(vm: Registered, host1: Machine) -> None:
    vm.start()
    vm.set_operation("migrate_to-0", timeout="20ms", on_fail="restart")
    said = vm_ctl(host1, "resource", "move", "guest1", "-n", "host2")
    assert "MSG79 guest1: migrate_to failed on host1" in said.text
    assert "Pacemaker stops it and starts it where it may run" in said.text


def test_what_it_starts_after_or_must_be_with_is_named_and_standby_is(
    vm: Registered, host1: Machine
) -> None:
    create(host1, "resources", DB.format(STOPPED))
    create(host1, "constraints", AFTER.format("db", vm.resource))
    named = "after-db: it starts after db, which has not started"
    refused_soon(vm_ctl(host1, "resource", "start", "guest1"), named)
    assert problem(host1, "guest1") == named
    host1.must(["cibadmin", "--delete", "--xml-text", '<rsc_order id="after-db"/>'])
    vm.lab.cluster.wait_running(vm.resource)
    create(host1, "constraints", WITH.format(vm.resource, "db"))
    vm.lab.cluster.wait_stopped(vm.resource)
    refused_soon(vm_ctl(host1, "resource", "start", "guest1"), "with-db: db runs nowhere")
    assert problem(host1, "guest1") == "with-db: db runs nowhere"
    set_standby(vm.lab.hosts, on=True)
    try:
        host1.must(["cibadmin", "--delete", "--xml-text", '<rsc_colocation id="with-db"/>'])
        vm.lab.cluster.wait_idle()
        named = "host1: it is in standby; host2: it is in standby"
        refused_soon(vm_ctl(host1, "resource", "start", "guest1"), named)
        assert problem(host1, "guest1") == "no node is allowed"
    finally:
        set_standby(vm.lab.hosts, on=False)


def test_add_says_what_is_not_as_the_guest_needs_it_and_start_that_there_is_no_quorum(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine, host2: Machine
) -> None:
    new_guest("guest1")
    create(host1, "resources", f'<clone id="clnDb">{DB.format("")}</clone>')
    lab.cluster.stop(host2)
    kept = host1.read(corosync.CONF)
    try:
        with slides.configured(lab, vm_diskd1="(clnDb nobody_sets)"):
            said = vm_ctl(host1, "resource", "add", "guest1", "-a", "host2")
        assert said.rc == 0, said.text
        assert "MSG81 host2: is offline; started now, the guests would run elsewhere" in said.text
        assert "vm_diskd1: no node has the attribute nobody_sets now" in said.text
        assert "MSG82" in said.text
        # Two of two votes are needed now.
        host1.write(corosync.CONF, kept.replace("  two_node: 1\n", ""))
        host1.must(["corosync-cfgtool", "-R"])
        wait_until(lambda: not corosync.is_quorate(host1), "no quorum")
        said = vm_ctl(host1, "resource", "start", "guest1")
        refused_soon(said, "the cluster has no quorum", "host2: it is offline")
    finally:
        host1.write(corosync.CONF, kept)
        host1.must(["corosync-cfgtool", "-R"])
        lab.cluster.start([host2])
        lab.cluster.wait_online()


def test_a_stop_that_failed_for_good_is_named_as_blocked(vm: Registered, host1: Machine) -> None:
    vm.start()
    vm.set_operation("stop-0", timeout="20ms", on_fail="block")
    refused_soon(
        vm_ctl(host1, "resource", "stop", "guest1"),
        *("stop failed on host1: ", "blocked: Pacemaker leaves it as it is until its failure is"),
    )
    assert "blocked: " in problem(host1, "guest1")
    vm.set_operation("stop-0", timeout="90s", on_fail="block")
    host1.must(["crm_resource", "--cleanup", "--resource", vm.resource])
    vm.lab.cluster.wait_stopped(vm.resource)
    assert problem(host1, "guest1") == "disabled (target-role=Stopped)"


def test_a_guest_that_runs_and_is_not_well_is_listed_as_degraded(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    vm = register(lab, new_guest(**SLEEPS._asdict()), host1)
    vm.set_operation("monitor-10s", interval="2s")
    assert vm_ctl(host1, "resource", "start", "guest1").rc == 0
    wait_until(lambda: "degraded" in problem(host1, "guest1"), "a monitor that says 190")
    assert problem(host1, "guest1").startswith("degraded: ")
