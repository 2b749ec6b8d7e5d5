# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-adopt: a guest changes its agent, and back, and does not notice."""

from __future__ import annotations

from tests.lab.cluster.cib import primitive
from tests.lab.guests.guests import Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab

OURS, PEER = "ocf:extra:VirtualDomain", "ocf:heartbeat:VirtualDomain"
OPERATIONS = (("start", "0", "60s"), ("stop", "0", "60s"), ("monitor", "10s", "30s"))


def test_guest_changes_its_agent_without_a_break(clean_lab: Lab) -> None:
    guest = Guest("guest1")
    config = clean_lab.guests.place(guest)
    cluster, counter = clean_lab.cluster, clean_lab.guests.counter(guest)
    parameters = {"config": config, "hypervisor": "qemu:///system"}
    cluster.add(primitive("web", PEER, parameters=parameters, operations=OPERATIONS))
    cluster.wait_running("web")
    boot = counter.wait_for_boot().boot
    for options, agent in (([], OURS), (["--back"], PEER)):
        with counter.watch() as watch:
            print(cluster.speaker().must(["vm-adopt", *options, "web"], timeout_s=120))
            cluster.wait_idle()
        (now,) = cluster.status().find("web")
        assert (now.agent, now.is_managed, now.is_failed) == (agent, True, False)
        assert len(now.hosts) == 1
        assert clean_lab.guests.hosts_of(guest) == list(now.hosts)
        assert counter.boots() == [boot]
        print(f"longest silence: {watch.longest_silence_s:.2f} s")
        # On a busy machine any guest may have to wait for its turn.
        assert watch.longest_silence_s < 5
    assert cluster.status().failures == []
    role = ["crm_resource", "--meta", "-r", "web", "-p", "target-role", "-v", "Stopped"]
    cluster.speaker().must(role)
    cluster.wait_stopped("web")
    assert clean_lab.guests.hosts_of(guest) == []
