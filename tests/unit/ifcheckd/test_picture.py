# SPDX-License-Identifier: GPL-2.0-or-later
"""What corosync prints becomes attributes, and what it does not say becomes none."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemons.ifcheckd import picture
from daemons.ifcheckd.picture import Membership, Peer

DATA = Path(__file__).parent / "data"
NAMES = {0: "eth0", 1: "eth1"}


def captured(name: str) -> dict[str, str]:
    return picture.cmap((DATA / name).read_text(encoding="utf-8"))


def known(*members: bool, links: int = 2) -> Membership:
    """Of host1; a peer for each, whether it is a member."""
    peers = {str(n): Peer(f"host{n}", is_member) for n, is_member in enumerate(members, 2)}
    return Membership(peers, {link: f"10.77.{link}.1" for link in range(links)}, has_knet=True)


def told(membership: Membership, seen: dict[tuple[str, int], bool]) -> dict[str, str]:
    return picture.attributes(membership, seen, NAMES, "ifcheckd")


def test_what_corosync_prints() -> None:
    found = picture.membership(captured("members-3.1.7.txt"))
    assert found == Membership(
        {"2": Peer("node2", is_member=True)}, {0: "10.99.0.1", 1: "10.99.1.1"}, has_knet=True
    )
    seen = picture.links(captured("stats-3.1.7.txt"))
    assert seen == {("1", 0): True, ("2", 0): True, ("2", 1): True}
    assert told(found, seen) == {"node2-eth0": "up", "node2-eth1": "up", "ifcheckd": "2"}


def test_a_link_over_which_nobody_is_heard_is_dead_and_does_not_count() -> None:
    seen = {("2", 0): True, ("2", 1): False}
    assert told(known(True), seen) == {"host2-eth0": "up", "host2-eth1": "dead", "ifcheckd": "1"}


def test_of_three_hosts_only_the_one_that_is_cut_loses_a_link() -> None:
    at_its_own = {("2", 0): True, ("2", 1): False, ("3", 0): True, ("3", 1): False}
    assert told(known(True, True), at_its_own)["ifcheckd"] == "1"
    at_another = {("2", 0): True, ("2", 1): False, ("3", 0): True, ("3", 1): True}
    assert told(known(True, True), at_another)["ifcheckd"] == "2"


def test_a_node_that_has_left_has_no_attribute() -> None:
    seen = {("2", 0): False, ("2", 1): False, ("3", 0): True, ("3", 1): True}
    assert told(known(False, True), seen) == {
        "host3-eth0": "up",
        "host3-eth1": "up",
        "ifcheckd": "2",
    }


def test_nothing_speaks_against_the_links_of_the_last_host() -> None:
    seen = {("2", 0): False, ("2", 1): False}
    assert told(known(False), seen) == {"ifcheckd": "2"}
    assert told(known(False, links=0), seen) == {}


def test_a_member_of_whose_links_nothing_is_said_has_no_attribute() -> None:
    assert told(known(True), {}) == {}
    assert told(known(True), {("9", 0): True}) == {}


def test_a_link_without_a_known_device_has_its_number() -> None:
    found = picture.attributes(known(True), {("2", 1): True}, {}, "ifcheckd")
    assert found == {"host2-link1": "up", "ifcheckd": "1"}


@pytest.mark.parametrize(
    ("connected", "enabled", "is_up"), [("1", "1", True), ("1", "0", False), ("0", "1", False)]
)
def test_only_a_link_that_is_connected_and_enabled_is_up(
    connected: str, enabled: str, is_up: bool
) -> None:
    own = "stats.knet.node2.link1"
    keys = {f"{own}.connected": connected, f"{own}.enabled": enabled}
    assert picture.links(keys) == {("2", 1): is_up}
    assert picture.links({f"{own}.connected": "1"}) == {}


def test_lines_of_another_form_say_nothing() -> None:
    assert picture.cmap("Can't get value of k. Error CS_ERR_NOT_EXIST\n\na (u8) = 1\n") == {
        "a": "1"
    }
    assert picture.membership({}) is None
    assert picture.membership({"nodelist.local_node_pos": "4"}) is None


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ({"name": "host2", "ring0_addr": "10.77.0.2"}, "host2"),
        ({"ring0_addr": "host2.example"}, "host2.example"),
        ({"ring0_addr": "10.77.0.2"}, "2"),
        ({"ring0_addr": "fd00::2"}, "2"),
        ({"name": "a b=c", "ring0_addr": "10.77.0.2"}, "2"),
    ],
)
def test_a_peer_is_named_as_pacemaker_names_it(node: dict[str, str], name: str) -> None:
    keys = {
        "nodelist.local_node_pos": "0",
        "nodelist.node.0.nodeid": "1",
        "nodelist.node.1.nodeid": "2",
        **{f"nodelist.node.1.{key}": value for key, value in node.items()},
    }
    found = picture.membership(keys)
    assert found is not None
    assert found.peers == {"2": Peer(name, is_member=False)}


def test_a_link_that_was_added_to_a_running_corosync_is_known() -> None:
    """corosync 3.1.7: the member's own addresses stay those with which it came."""
    keys = captured("members-3.1.7.txt")
    for number in (1, 2):
        keys[f"runtime.members.{number}.ip"] = f"r(0) ip(10.99.0.{number})"
    found = picture.membership(keys)
    assert found is not None
    assert found.addresses == {0: "10.99.0.1", 1: "10.99.1.1"}


def test_an_address_that_is_a_name_is_taken_as_corosync_has_resolved_it() -> None:
    keys = {**captured("members-3.1.7.txt"), "nodelist.node.0.ring1_addr": "node1-b"}
    found = picture.membership(keys)
    assert found is not None
    assert found.addresses == {0: "10.99.0.1", 1: "10.99.1.1"}
    keys["runtime.members.1.ip"] = "r(0) ip(10.99.0.1)"
    found = picture.membership(keys)
    assert found is not None
    assert found.addresses == {0: "10.99.0.1", 1: ""}


def test_a_transport_without_a_state_of_links() -> None:
    found = picture.membership(captured("members-udpu-3.1.7.txt"))
    assert found is not None
    assert not found.has_knet
    seen = picture.links_of_members(found)
    assert told(found, seen) == {"node2-eth0": "up", "ifcheckd": "1"}


def test_the_device_of_an_address() -> None:
    devices: list[object] = [
        {"ifname": "lo", "addr_info": [{"local": "::1"}]},
        {"ifname": "eth1", "addr_info": [{"local": "10.77.1.1"}, {"local": "fd00:0::1"}]},
        {"ifname": "eth2"},
    ]
    assert picture.interface_of("10.77.1.1", devices) == "eth1"
    assert picture.interface_of("fd00::1", devices) == "eth1"
    assert picture.interface_of("10.77.1.11", devices) is None
    assert picture.interface_of("host1", devices) is None
    assert picture.interface_of("10.77.1.1", [{"addr_info": [{}]}, 1, *devices]) == "eth1"
    assert picture.interface_of("10.77.1.1", {}) is None


def test_well_is_who_hears_everybody_over_every_link() -> None:
    seen = {("2", 0): True, ("2", 1): True}
    assert picture.is_well(known(True), seen)
    assert not picture.is_well(known(False), seen)
    assert not picture.is_well(known(True), {**seen, ("2", 1): False})
