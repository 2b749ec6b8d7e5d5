# SPDX-License-Identifier: GPL-2.0-or-later
"""What a start that failed leaves on a host: only a QEMU that never ran is removed for it."""

from __future__ import annotations

from tests.lab.cluster import agents
from tests.lab.faults.situations import wait_until
from tests.lab.guests.guests import Guest
from tests.lab.hosts import hypervisor
from tests.lab.hosts.machine import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

MARK = f"/run/pm_kvm_tools/domains/{agents.RESOURCE}"
SAVED = f"{SHARED}/images/by-hand.state"
NOT_RUNNING = 7


def test_what_an_administrator_starts_beside_its_mark_lives(clean_lab: Lab) -> None:
    host1, _ = clean_lab.hosts
    guest = Guest("guest1", power="deaf")
    clean_lab.guests.place(guest, agents.CONFIG)
    counter = clean_lab.guests.counter(guest)
    hypervisor.freeze(host1)
    try:
        assert agents.call(host1, agents.virtual_domain("extra"), "start", 12).rc == 1
    finally:
        hypervisor.thaw(host1)

    host1.must(["virsh", "-q", "create", "--paused", agents.CONFIG])
    assert probe(host1) == NOT_RUNNING
    assert clean_lab.guests.hosts_of(guest) == []
    wait_until_noticed(host1)

    host1.must(["virsh", "-q", "create", agents.CONFIG])
    boot = counter.wait_for_boot().boot
    host1.must(["virsh", "-q", "suspend", "guest1"])
    assert probe(host1) == 0
    hypervisor.freeze(host1)
    try:
        assert probe(host1) == 0
    finally:
        hypervisor.thaw(host1)

    host1.must(["virsh", "-q", "save", "guest1", SAVED])
    host1.must(["virsh", "-q", "restore", "--paused", SAVED])
    assert probe(host1) == 0
    host1.must(["grep", "-qx", "stage=creating", MARK])
    host1.must(["virsh", "-q", "resume", "guest1"])
    assert counter.is_ticking()
    assert counter.boots() == [boot]


def wait_until_noticed(host: Machine) -> None:
    """libvirt takes a QEMU that was killed beside it for an active domain, for a moment."""
    argv = ["virsh", "-q", "list", "--name"]
    wait_until(lambda: not host.must(argv).strip(), "libvirt sees the end of it")


def probe(host: Machine) -> int:
    more = {"OCF_RESKEY_CRM_meta_interval": "0"}
    return agents.call(host, agents.virtual_domain("extra"), "monitor", more=more).rc
