# SPDX-License-Identifier: GPL-2.0-or-later
"""A person migrates a guest with virsh, behind Pacemaker's back. Its monitor on the host that the
guest has left says 7, and Pacemaker recovers it: it gets no second life, and nobody is fenced."""

from __future__ import annotations

import time
from typing import NamedTuple

import pytest

from pmkvm.pacemaker import attributes
from pmkvm.virt import presence
from tests.lab.cluster import stonith
from tests.lab.cluster.registration import register
from tests.lab.faults.situations import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

SETTLE_S = 120.0
WATCH_S = 5.0


class Seen(NamedTuple):
    hosts: list[str]
    boots: list[str]
    is_torn: bool
    fenced: list[str]


@pytest.mark.parametrize("asked", ["presence", "libvirt"])
def test_a_guest_that_was_migrated_by_hand_gets_no_second_life(
    lab: Lab, new_guest: Callable[..., Guest], host1: Machine, host2: Machine, asked: str
) -> None:
    """By what vm-stonithd publishes; where it does not run, through host2's libvirt."""
    # So that the start is ordered on the host that the guest has left, too.
    host1.must(["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v", "1000"])
    if asked == "presence":
        stonith.load_daemons(lab)
    vm = register(lab, new_guest("guest1"), host1, "-m", "on")
    boot = vm.start()
    assert vm.hosts() == [host1.name]
    lab.guests.migrate(vm.guest, host1, host2, "tcp")
    if asked == "presence":
        wait_until(lambda: published(host1, vm.guest) == {"host1": 0, "host2": 1}, "its presence")
    lab.cluster.wait_running(vm.resource, host2.name, timeout_s=SETTLE_S)
    lab.cluster.wait_idle(SETTLE_S)
    time.sleep(WATCH_S)
    fenced = [str(event) for event in lab.fencing.events()]
    seen = Seen(vm.hosts(), vm.counter.boots(), vm.counter.is_going_back(), fenced)
    # With another threshold Pacemaker orders no start there at all.
    reasons = vm.exit_reasons("start", host1)
    print(seen, reasons)
    assert seen == Seen([host2.name], [boot], is_torn=False, fenced=[])
    assert all("lives on host2, and is not started here too" in each for each in reasons)


def published(host: Machine, guest: Guest) -> dict[str, int]:
    """What each host says of it now, by that host's clock."""
    argv = ["attrd_updater", "--query", "--all", "--name", presence.ATTRIBUTE]
    said = attributes.parse(host.must(argv), presence.ATTRIBUTE)
    return {each: int(presence.word(text, guest.uuid, time.time())) for each, text in said.items()}
