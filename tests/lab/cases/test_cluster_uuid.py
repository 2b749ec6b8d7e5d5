# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster knows which domain a resource is, whatever one host's definition says: a copy of the
guest is left alone, and a guest is known where its definition is missing."""

from __future__ import annotations

import pytest

from tests.lab.cluster.cib import location, primitive
from tests.lab.guests.guests import IMAGES, Guest
from tests.lab.hosts.machine import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=6)

RESOURCE = "vm"
AGENT = "ocf:extra:VirtualDomain"
OPERATIONS = (
    ("start", "0", "120s"),
    ("stop", "0", "60s"),
    ("monitor", "10s", "30s"),
    ("migrate_to", "0", "120s"),
    ("migrate_from", "0", "120s"),
)
OTHER_UUID = "00000000-1111-2222-3333-444444444444"
COPY = "/tmp/copy.xml"
SETTLE_S = 120.0


def add(lab: Lab, config: str) -> None:
    """The resource, started on host1."""
    parameters = {
        "config": config,
        "hypervisor": "qemu:///system",
        "migration_transport": "tcp",
        "force_stop": "yes",
    }
    meta = {"allow-migrate": "true", "target-role": "Stopped"}
    element = primitive(RESOURCE, AGENT, parameters=parameters, meta=meta, operations=OPERATIONS)
    lab.cluster.add(element)
    prefer(lab, "host1")
    lab.cluster.wait_idle(SETTLE_S)
    role(lab, "Started")
    lab.cluster.wait_running(RESOURCE, "host1")


def role(lab: Lab, wanted: str) -> None:
    argv = ["crm_resource", "--meta", "--resource", RESOURCE, "-p", "target-role", "-v", wanted]
    lab.cluster.speaker().must(argv)


def prefer(lab: Lab, host: str) -> None:
    """From there on it is at home there."""
    lab.cluster.add(location("home", RESOURCE, host, "1000"))


def vm_uuid(lab: Lab) -> str:
    argv = ["crm_resource", "--meta", "--resource", RESOURCE, "--get-parameter", "vm-uuid"]
    return lab.cluster.speaker().must(argv).strip()


def run_copy(guest: Guest, host: Machine, *, defined: bool) -> None:
    """The guest's name, and another uuid; what it says is not the guest's."""
    text = guest.xml().replace(guest.uuid, OTHER_UUID)
    host.write(COPY, text.replace(guest.console, f"{SHARED}/console/copy.log"))
    if not defined:
        host.must(["virsh", "-q", "create", COPY])
        return
    host.must(["virsh", "-q", "undefine", guest.name])
    host.must(["virsh", "-q", "define", COPY])
    host.must(["virsh", "-q", "start", guest.name])


@pytest.mark.parametrize("definition", ["of all hosts", "of each host"])
def test_a_copy_of_the_guest_is_left_alone(clean_lab: Lab, host2: Machine, definition: str) -> None:
    lab, guest = clean_lab, Guest("guest1", power="deaf")
    is_own = definition == "of each host"
    config = lab.guests.define(guest) if is_own else lab.guests.place(guest)
    add(lab, config)
    assert vm_uuid(lab) == guest.uuid
    counter = lab.guests.counter(guest)
    boot = counter.wait_for_boot(SETTLE_S).boot
    run_copy(guest, host2, defined=is_own)
    for _ in range(2):
        lab.cluster.speaker().must(["crm_resource", "--refresh", "--resource", RESOURCE])
        lab.cluster.wait_idle(SETTLE_S)
        lab.cluster.wait_running(RESOURCE, "host1", timeout_s=SETTLE_S)
    assert lab.guests.hosts_of(guest) == ["host1"]
    assert counter.is_ticking()
    assert counter.boots() == [boot]
    assert "running" in host2.must(["virsh", "-q", "domstate", OTHER_UUID])
    assert lab.fencing.events() == []
    assert lab.status().failures == []


def missing(_guest: Guest, _host: Machine, _path: str) -> None:
    """There is no such file."""


def another_s(_guest: Guest, host: Machine, path: str) -> None:
    """It is the definition of another domain."""
    host.write(path, Guest("guest9").xml())


@pytest.mark.parametrize("lies", [missing, another_s])
def test_a_guest_arrives_where_its_definition_is_not(
    clean_lab: Lab,
    host1: Machine,
    host2: Machine,
    lies: Callable[[Guest, Machine, str], None],
) -> None:
    """Its file is not named as the domain, and is on host1 alone."""
    lab, guest, path = clean_lab, Guest("guest1", power="deaf"), "/run/lab/a.xml"
    lab.guests.place(guest, f"{IMAGES}/guest1.xml")
    host1.write(path, guest.xml())
    host2.run(["rm", "-f", path])
    lies(guest, host2, path)
    add(lab, path)
    counter = lab.guests.counter(guest)
    boot = counter.wait_for_boot(SETTLE_S).boot
    prefer(lab, "host2")
    lab.cluster.wait_running(RESOURCE, "host2", timeout_s=SETTLE_S)
    lab.cluster.wait_idle(SETTLE_S)
    assert lab.guests.hosts_of(guest) == ["host2"]
    assert counter.is_ticking()
    assert counter.boots() == [boot]
    # What host2 remembers is lost: the cluster's word stands.
    host2.must(["rm", "-f", f"/run/pm_kvm_tools/domains/{RESOURCE}"])
    lab.cluster.speaker().must(["crm_resource", "--refresh", "--resource", RESOURCE])
    lab.cluster.wait_idle(SETTLE_S)
    lab.cluster.wait_running(RESOURCE, "host2", timeout_s=SETTLE_S)
    assert counter.boots() == [boot]
    role(lab, "Stopped")
    lab.cluster.wait_stopped(RESOURCE, timeout_s=SETTLE_S)
    assert lab.guests.hosts_of(guest) == []
    assert lab.fencing.events() == []
    assert lab.status().failures == []
