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

from tests.lab.cluster import stonith
from tests.lab.cluster.bmc import PASSWORD, USER, Bmc, bmcs, switched
from tests.lab.cluster.cib import location, primitive
from tests.lab.cluster.cluster import LOG
from tests.lab.slides import appendix_a
from tests.lab.slides.appendix_a import Addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster.cluster import Cluster
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=12)

# The resource that the slides ask for.
SERVICE = "prmVMCTL_guest1"
# The helper's, on the standby.
WAIT_S = 25.0
# A fence by a BMC: ipmitool waits 10 s for this one's list of ciphers, each time it is started.
FENCE_S = 120.0
# All levels, with a dead BMC, which costs the fencer the whole time of that device.
GIVEN_UP_S = 240.0
WATCH_S = 10.0


@pytest.fixture(scope="module")
def power(lab: Lab) -> Iterator[dict[str, Bmc]]:
    lab.clean()
    with bmcs(lab) as made:
        yield made
        lab.clean()


def addresses(lab: Lab, power: dict[str, Bmc]) -> dict[str, Addresses]:
    return {
        host.name: Addresses(f"{host.address} {host.ring_address}", power[host.name].address)
        for host in lab.hosts
    }


def as_crm(lab: Lab, given: dict[str, Addresses]) -> None:
    lab.cluster.configure_crm(appendix_a.today(given))


def as_pcs(lab: Lab, given: dict[str, Addresses]) -> None:
    text = stonith.documented("pcs cluster cib appendix-a.xml", "stonith-helper.md")
    for name, one in given.items():
        text = text.replace(appendix_a.EXAMPLE[name].bmc, one.bmc)
    lab.hosts[0].must(["sh", "-ec", f"cd /run; {text}"], timeout_s=180)


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

    configure: Callable[[Lab, dict[str, Addresses]], None]
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
    way.configure(lab, addresses(lab, power))
    lab.cluster.wait_running(SERVICE, active)
    for host in lab.hosts:
        lab.cluster.wait_running(f"helper-{host.name}")
        lab.cluster.wait_running(f"ipmi-{host.name}")
    lab.cluster.wait_idle()
    assert lab.cluster.status().failures == []


class Loss(NamedTuple):
    """The end of a host by its BMC: after how long, and what the BMC was told."""

    took_s: float
    orders: list[str]


def loses_power(lab: Lab, act: Callable[[], None], lost: Machine, timeout_s: float) -> Loss:
    """What becomes of that host once something has happened; nobody else's BMC is told anything."""
    before, life, began = len(switched(lab)), lost.init(), time.monotonic()
    assert life is not None
    act()
    while life.is_alive():
        assert time.monotonic() - began < timeout_s, switched(lab)
        time.sleep(0.1)
    took_s = time.monotonic() - began
    (survivor,) = lab.others(lost)
    seen_by(lab, survivor).wait(
        lambda now: not now.nodes[lost.name].is_unclean, "it is known", FENCE_S
    )
    told = switched(lab)[before:]
    assert {(one.host, one.answer) for one in told} == {(lost.name, "OK")}
    return Loss(took_s, [one.order for one in told])


def seen_by(lab: Lab, host: Machine) -> Cluster:
    """The cluster in the words of that host: another one may be alone, or just have booted."""
    return lab.cluster._replace(hosts=[host])


def power_of(bmc: Bmc, asker: Machine) -> str:
    """on or off, as a person asks for it."""
    login = ["-I", "lanplus", "-C", "3", "-H", bmc.address, "-U", USER, "-P", PASSWORD]
    return asker.must(["ipmitool", *login, "power", "status"]).split()[-1]


def comes_back(lab: Lab, host: Machine, bmc: Bmc, loss: Loss) -> None:
    if "boot" not in loss.orders:
        # ipmitool repeats an order that is answered late. The BMC answers this when it is through
        # with all that came before.
        (survivor,) = lab.others(host)
        assert power_of(bmc, survivor) == "off"
        lab.boot(host)
    lab.cluster.wait_online()


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
