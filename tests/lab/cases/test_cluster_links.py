# SPDX-License-Identifier: GPL-2.0-or-later
"""ifcheckd where corosync has two links: one is cut, and comes back. With three hosts the guest
leaves the one that is cut off; with two nobody can tell which one that is, and it stays.
"""

from __future__ import annotations

import json

import pytest

from tests.lab.cluster import corosync
from tests.lab.cluster.registration import register
from tests.lab.hosts.network import LAB_INTERFACE, RING_INTERFACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=8)

# As doc/ifcheckd.md has it, but for the interval.
DAEMON = r"""
primitive prmIfcheckd ocf:extra:vm-anything \
  params binfile=/usr/sbin/ifcheckd cmdline_options="-i 2 -d 6s" \
  op start interval=0s timeout=60s \
  op monitor interval=10s timeout=60s \
  op stop interval=0s timeout=60s
clone clnIfcheckd prmIfcheckd
"""
RULE = r"""
location locLinks-guest1 prmVMCTL_guest1 rule 1000: ifcheckd gte 2
order odrIfcheckd-guest1 Optional: clnIfcheckd prmVMCTL_guest1 symmetrical=false
"""
# What takes some ten seconds on a machine that is not busy.
SEEN_S = 120.0


@pytest.fixture
def two_links(clean_lab: Lab) -> Iterator[Lab]:
    corosync.set_links(clean_lab.hosts, is_double=True)
    try:
        yield clean_lab
    finally:
        for host in clean_lab.hosts:
            host.heal_ring()
        alive = [host for host in clean_lab.hosts if host.is_alive()]
        if len(alive) == len(clean_lab.hosts):
            corosync.set_links(clean_lab.hosts, is_double=False)


def attributes(lab: Lab, host: Machine) -> dict[str, str]:
    """What ifcheckd has told of that host, as Pacemaker's rules see it."""
    path = f"./status/node_state[@uname='{host.name}']/transient_attributes//nvpair"
    pairs = {pair.get("name", ""): pair.get("value", "") for pair in lab.cib().iterfind(path)}
    begins = ("ifcheckd", *(f"{other.name}-" for other in lab.hosts))
    return {name: value for name, value in pairs.items() if value and name.startswith(begins)}


def expected(lab: Lab, host: Machine, cut: Machine | None = None) -> dict[str, str]:
    """cut: the host without its wire to the second network."""
    made = {}
    for peer in lab.others(host):
        made[f"{peer.name}-{LAB_INTERFACE}"] = "up"
        is_dead = cut is not None and cut in (host, peer)
        made[f"{peer.name}-{RING_INTERFACE}"] = "dead" if is_dead else "up"
    is_heard = any(made[f"{peer.name}-{RING_INTERFACE}"] == "up" for peer in lab.others(host))
    return {**made, "ifcheckd": "2" if is_heard else "1"}


def wait_for_links(lab: Lab, cut: Machine | None = None) -> None:
    lab.cluster.wait(
        lambda _now: all(attributes(lab, host) == expected(lab, host, cut) for host in lab.hosts),
        "each host tells of its links",
        SEEN_S,
    )


def test_a_link_is_cut_and_comes_back(
    two_links: Lab, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    lab = two_links
    vm = register(lab, new_guest("guest1"), host1, "-m", "on")
    lab.cluster.configure_crm(f"{DAEMON}{RULE}")
    wait_for_links(lab)
    boot = vm.start()
    assert vm.hosts() == [host1.name]

    host1.cut_ring()
    wait_for_links(lab, cut=host1)
    if len(lab.hosts) > 2:
        lab.cluster.wait(
            lambda now: (
                len(now.hosts_of(vm.resource)) == 1 and host1.name not in now.hosts_of(vm.resource)
            ),
            "the guest has left the host that lost its link",
            SEEN_S,
        )
        assert vm.hosts() != [host1.name]
    lab.cluster.wait_idle()
    if len(lab.hosts) == 2:
        # Both have lost it alike: moving would mend nothing, and a guest that stops is lost.
        assert vm.hosts() == [host1.name]

    host1.heal_ring()
    wait_for_links(lab)
    # Nothing holds it there (stickiness 0), and host1 is its preferred host.
    lab.cluster.wait_running(vm.resource, host1.name)
    lab.cluster.wait_idle()
    assert vm.hosts() == [host1.name]
    # It was migrated alive, or did not move.
    assert vm.counter.boots() == [boot]
    assert lab.fencing.events() == []
    assert lab.status().failures == []


def test_the_attributes_end_with_the_daemon_and_the_guest_stays(
    two_links: Lab, new_guest: Callable[..., Guest], host1: Machine
) -> None:
    """No host is known to be well then: the guest stays where it is."""
    lab = two_links
    vm = register(lab, new_guest("guest1"), host1, "-m", "on")
    lab.cluster.configure_crm(f"{DAEMON}{RULE}")
    wait_for_links(lab)
    boot = vm.start()
    role = ("--set-parameter", "target-role", "--parameter-value", "Stopped")
    lab.cluster.speaker().must(["crm_resource", "--resource", "clnIfcheckd", "--meta", *role])
    lab.cluster.wait(
        lambda _now: not any(attributes(lab, host) for host in lab.hosts),
        "no host tells of its links",
        SEEN_S,
    )
    lab.cluster.wait_idle()
    assert vm.hosts() == [host1.name]
    assert vm.counter.boots() == [boot]
    assert lab.fencing.events() == []


def test_ifcheckd_killed_is_back_with_its_attributes(two_links: Lab, host1: Machine) -> None:
    lab = two_links
    lab.cluster.configure_crm(DAEMON)
    wait_for_links(lab)
    said = json.loads(host1.must(["ifcheckd", "--status"]))
    assert (said["problems"], said["attributes"]) == ([], expected(lab, host1))
    host1.must(["kill", "-KILL", str(said["pid"])])
    host1.cut_ring()
    # Pacemaker has started it anew: the attributes are as the links are now.
    wait_for_links(lab, cut=host1)
    assert lab.fencing.events() == []
