# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that libvirt refuses to migrate, with vm-ctl's configuration, as the slides print it
(on-fail=fence): no host is fenced, no other guest is touched, and the guest runs at the target."""

from __future__ import annotations

import pytest

from tests.lab.cluster.registration import register
from tests.lab.truth.truth_situations import PEER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

SETTLE_S = 120.0
STANDBY = ("crm_attribute", "--node", "host1", "--name", "standby", "--update")


@pytest.mark.parametrize("way", ["resource move", "standby"])
def test_a_guest_that_can_not_migrate_moves_cold_and_nobody_is_fenced(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine, host2: Machine, way: str
) -> None:
    """standby: its host is being emptied, and the guest beside it migrates alive."""
    vm = register(lab, new_guest("guest1", devices=PEER.devices), host1, "-m", "on")
    beside = register(lab, new_guest("guest2"), host1, "-m", "on")
    # Without it the preferred host pulls a moved guest back at once.
    host1.must(
        ["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "INFINITY"]
    )
    boot, boot_beside = vm.start(), beside.start()
    if way == "resource move":
        vm.move(host2)
    else:
        host1.must([*STANDBY, "on"])
        lab.cluster.wait_running(vm.resource, host2.name, timeout_s=SETTLE_S)
    lab.cluster.wait_idle(SETTLE_S)
    vm.counter.wait_for_boot(other_than=boot)
    assert vm.hosts() == [host2.name]
    assert beside.hosts() == [(host1 if way == "resource move" else host2).name]
    assert beside.counter.boots() == [boot_beside]
    assert lab.fencing.events() == []
    assert lab.status().failures == []
    # Why, in the cluster's status: in attrd at once, in the CIB (crm_mon -A) after 30 s.
    name = f"migration-{vm.resource}"
    said = host2.must(["attrd_updater", "--query", "--all", "--name", name])
    assert "guest1: stays here" in said
    host2.must(["attrd_updater", "--delete", "--name", name, "--node", host1.name])
    host1.must([*STANDBY, "off"])
