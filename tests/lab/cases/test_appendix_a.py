# SPDX-License-Identifier: GPL-2.0-or-later
"""Appendix A of the slides of 2011: stonith-helper says which host survives, the other one's BMC
takes its power away, and where the BMC is dead nothing moves until a person has looked. As crm and
as pcs have it; with pcs there is no meatware, and the person tells Pacemaker.
"""

from __future__ import annotations

import shlex
import time
from typing import NamedTuple

import pytest

from tests.lab.cluster.bmc import bmcs, switched
from tests.lab.cluster.cib import location, primitive
from tests.lab.cluster.cluster import LOG
from tests.lab.cluster.power import (
    FENCE_S,
    as_crm,
    as_pcs,
    comes_back,
    loses_power,
    power_of,
    seen_by,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster.bmc import Bmc
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=16)

# The resource that the slides ask for.
SERVICE = "prmVMCTL_guest1"
# The helper's, on the standby.
WAIT_S = 25.0
# All levels, with a dead BMC, which costs the fencer the whole time of that device.
GIVEN_UP_S = 240.0
WATCH_S = 10.0


@pytest.fixture(scope="module")
def power(lab: Lab) -> Iterator[dict[str, Bmc]]:
    lab.clean()
    with bmcs(lab) as made:
        yield made
        lab.clean()


def waits_in_meatware(survivor: Machine, lost: Machine) -> bool:
    return survivor.run(["test", "-p", f"/var/run/meatware.{lost.name}"]).rc == 0


def tries_the_bmc(survivor: Machine, lost: Machine) -> bool:
    """The last level that there is, after the helper has said no."""
    return f"targeting {lost.name} using helper-{lost.name} returned 1" in survivor.read(LOG)


def has_tried_all(survivor: Machine, lost: Machine) -> bool:
    """Pacemaker begins anew, again and again."""
    argv = ["stonith_admin", "--history", lost.name, "--verbose"]
    return "failed" in survivor.run(argv).out


class Way(NamedTuple):
    """A shell, and what a person types who has ended the host."""

    configure: Callable[[Lab, dict[str, Bmc]], None]
    waits: Callable[[Machine, Machine], bool]
    confirm: str
    typed: str = ""


WAYS = {
    "crm": Way(as_crm, waits_in_meatware, "meatclient -c {host}", "y\n"),
    "pcs": Way(as_pcs, tries_the_bmc, "pcs stonith confirm {host} --force"),
}


def configure(lab: Lab, way: Way, power: dict[str, Bmc], active: str) -> None:
    """The service on that host, and its fencing by the slides."""
    lab.clean()
    for one in power.values():
        one.stop()
        one.start()
    lab.cluster.add(primitive(SERVICE), location("here", SERVICE, active, "100"))
    way.configure(lab, power)
    lab.cluster.wait_running(SERVICE, active)
    for host in lab.hosts:
        lab.cluster.wait_running(f"helper-{host.name}")
        lab.cluster.wait_running(f"ipmi-{host.name}")
    lab.cluster.wait_idle()
    assert lab.cluster.status().failures == []


@pytest.mark.parametrize("name", WAYS)
def test_of_two_hosts_cut_off_the_bmc_ends_the_standby(
    lab: Lab, power: dict[str, Bmc], name: str
) -> None:
    """Neither hears the other one, and each can reach the other one's BMC."""
    host1, host2 = lab.hosts
    configure(lab, WAYS[name], power, "host2")
    assert {power_of(one, host2) for one in power.values()} == {"on"}
    loss = loses_power(lab, host2.cut, host1, FENCE_S)
    print(f"host1 is without power after {loss.took_s:.1f} s: {loss.orders}")
    assert host2.is_alive()
    assert power_of(power["host2"], host2) == "on"
    seen_by(lab, host2).wait_running(SERVICE, "host2")
    host2.heal()
    comes_back(lab, host1, power["host1"], loss)
    lab.cluster.wait_running(SERVICE, "host2")


@pytest.mark.parametrize("name", WAYS)
def test_the_standby_waits_and_has_the_lost_one_ended(
    lab: Lab, power: dict[str, Bmc], name: str
) -> None:
    """It has the service and no cluster any more: it starts elsewhere when its power is gone."""
    host1, host2 = lab.hosts
    configure(lab, WAYS[name], power, "host2")
    loss = loses_power(lab, lambda: host2.signal("corosync", "KILL"), host2, WAIT_S + FENCE_S)
    print(f"host2 is without power after {loss.took_s:.1f} s: {loss.orders}")
    assert loss.took_s >= WAIT_S
    # A host that gets its power back may have joined before anything has been started.
    where = None if "boot" in loss.orders else "host1"
    seen_by(lab, host1).wait_running(SERVICE, where)
    comes_back(lab, host2, power["host2"], loss)


@pytest.mark.parametrize("name", WAYS)
def test_with_a_dead_bmc_nothing_moves_until_a_person_has_looked(
    lab: Lab, power: dict[str, Bmc], is_full: bool, name: str
) -> None:
    cluster = lab.cluster
    host1, host2 = lab.hosts
    way = WAYS[name]
    configure(lab, way, power, "host2")
    for one in power.values():
        one.stop()
    before = len(switched(lab))

    host2.signal("corosync", "KILL")
    cluster.wait(lambda now: now.nodes["host2"].is_unclean, "host2 is lost", 60)

    def must_stay(what: str, until: Callable[[], bool], timeout_s: float) -> None:
        """Nobody has started it on the other host, and nobody says that the lost one is dead."""
        began = time.monotonic()
        while not until():
            now = cluster.status()
            assert "host1" not in now.hosts_of(SERVICE), what
            assert now.nodes["host2"].is_unclean, what
            assert time.monotonic() - began < timeout_s, what
            time.sleep(0.2)
        print(f"{what}: {time.monotonic() - began:.1f} s")

    def watch(what: str) -> None:
        end = time.monotonic() + WATCH_S
        must_stay(what, lambda: time.monotonic() >= end, WATCH_S + 60)

    must_stay("the last level is asked", lambda: way.waits(host1, host2), GIVEN_UP_S)
    if is_full and name == "pcs":
        must_stay("that fails", lambda: has_tried_all(host1, host2), GIVEN_UP_S)
    watch("a person is waited for")
    assert host2.is_alive()
    host2.kill()
    watch("a person has ended the host and has not said so")
    host1.must(shlex.split(way.confirm.format(host="host2")), stdin=way.typed)
    # Where Pacemaker itself goes on trying, it ends the round that it is in.
    cluster.wait_running(SERVICE, "host1", timeout_s=GIVEN_UP_S)
    cluster.wait_offline(host2)
    assert switched(lab)[before:] == []
    assert lab.fencing.events() == []
