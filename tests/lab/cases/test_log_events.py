# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-log on the hosts that are left tells what has happened: a move, a lost host, its fence, the
failover, and a fence that a guest asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.cluster import stonith
from tests.lab.cluster.registration import register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest
    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=6)


def told(host: Machine, *arguments: str) -> list[dict[str, Any]]:
    """What vm-log says on a host, in the order of its log."""
    return [json.loads(line) for line in host.must(["vm-log", "--json", *arguments]).splitlines()]


def one(found: list[dict[str, Any]], **fields: str) -> dict[str, Any]:
    """The last of the events with these fields."""
    fitting = [each for each in found if fields.items() <= each.items()]
    assert fitting, (fields, [each["text"] for each in found])
    return fitting[-1]


def test_a_move_a_lost_host_its_fence_and_the_failover(
    clean_lab: Lab, new_guest: Callable[..., Guest], host1: Machine, host2: Machine
) -> None:
    lab = clean_lab
    # Without it the preferred host pulls the guest back at once.
    stickiness = ["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v"]
    host1.must([*stickiness, "INFINITY"])
    vm = register(lab, new_guest("guest1"), host1, "-m", "on")
    boot = vm.start()
    vm.move(host2)
    host2.kill()
    lab.cluster.wait_offline(host2)
    lab.cluster.wait_running(vm.resource)
    vm.counter.wait_for_boot(other_than=boot)
    (home,) = vm.hosts()

    # The DC's log has most, and where host2 was the DC, host1's has its own part of the move.
    alive = lab.others(host2)
    found = sorted((each for host in alive for each in told(host)), key=lambda each: each["at"])
    print("\n".join(f"{each['when']} {each['log_of']}: {each['text']}" for each in found))
    guest = {"resource": vm.resource}
    one(found, kind="started", host="host1", **guest)
    places = (("moved", "host2"), ("sent", "host1"))
    moved = [each for each in found if (each["kind"], each.get("host")) in places]
    assert {each["resource"] for each in moved} == {vm.resource}
    lost = one(found, kind="host-lost", host="host2")
    one(found, kind="fence-asked", host="host2")
    fenced = one(found, kind="fence-ok", host="host2", operation="reboot")
    back = one(found, kind="failover", host=home, origin="host2", **guest)
    # Each host has a clock of its own, which is the same here.
    assert moved[-1]["at"] < lost["at"] < fenced["at"] < back["at"]
    timed = [each for each in found if each["kind"] == "fence-ok" and "took_ms" in each]
    assert {each["device"] for each in timed} == {"fence"}

    of_guest = told(host1, "--resource", vm.resource)
    assert of_guest
    assert {each.get("resource") for each in of_guest} == {vm.resource}
    lines = host1.must(["vm-log", "--host", "host2"]).splitlines()
    assert [line for line in lines if " host-lost " in line]
    assert all("host2" in line for line in lines)


def test_a_guest_s_fence_is_told_of_its_host(pair: Pair) -> None:
    host = pair.lab.hosts[0]
    boot = pair.place(pair.lab.hosts[1])
    proven = pair.reset_proven()
    found = told(host, stonith.LOG, "--resource", pair.target.resource)
    fence = one(found, kind="guest-fence-ok", by=pair.requester.resource)
    assert fence is found[-1]
    assert (fence["host"], fence["operation"]) == ("host2", "reset")
    assert abs(fence["at"] - proven.at_s) < 1.0
    # Of who asked for it, and of whom it hit.
    assert told(host, stonith.LOG, "--resource", pair.requester.resource)[-1] == fence
    killed = told(pair.lab.hosts[1], stonith.LOG, "--resource", pair.target.resource)
    one(killed, kind="guest-killed", by=pair.requester.resource)
    pair.returned(boot)
