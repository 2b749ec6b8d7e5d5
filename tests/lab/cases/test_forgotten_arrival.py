# SPDX-License-Identifier: GPL-2.0-or-later
"""Pacemaker forgets an arrival, and orders a second life: the agent does not give it one."""

from __future__ import annotations

import time
from typing import NamedTuple

from tests.lab.cluster.registration import register
from tests.lab.faults.situations import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

# MiB/s: the migration of a small guest takes seconds.
SLOW = "8"
SETTLE_S = 60.0
WATCH_S = 5.0


class Seen(NamedTuple):
    hosts: list[str]
    boots: list[str]
    is_torn: bool


def test_constraints_taken_away_in_a_migration_make_no_second_life(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine, host2: Machine
) -> None:
    """Another tool clears them. The guest has migrated the same way before: with that history
    Pacemaker stops and starts it on the host that it leaves, and nothing on the other."""
    host1.must(["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "1000"])
    vm = register(lab, new_guest("guest1"), host1, "-m", "on")
    boot = vm.start()
    vm.move(host2)
    vm.move(host1)
    host1.must(["virsh", "-q", "migrate-setspeed", "guest1", SLOW])
    host1.must(["vm-ctl", "resource", "move", "guest1", "-n", "host2", "--no-wait"])
    wait_until(lambda: len(vm.hosts()) == 2, "the migration is under way")
    time.sleep(1)
    host1.must(["crm_resource", "--clear", "--resource", vm.resource])
    lab.cluster.wait_idle(SETTLE_S)
    lab.cluster.wait_running(vm.resource, timeout_s=SETTLE_S)
    time.sleep(WATCH_S)
    seen = Seen(vm.hosts(), vm.counter.boots(), vm.counter.is_going_back())
    # Pacemaker of another release may not order it at all.
    print(seen, vm.exit_reasons("start", host1))
    assert seen == Seen(lab.status().hosts_of(vm.resource), [boot], is_torn=False)
