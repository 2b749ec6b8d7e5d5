# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-ctl says when the cluster does not do what it was told, and how soon."""

from __future__ import annotations

import json
import re
import time
from typing import NamedTuple

import pytest

from tests.lab.cluster.registration import Registered, register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=4)

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
