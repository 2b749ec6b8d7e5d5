# SPDX-License-Identifier: GPL-2.0-or-later
"""Pure. What corosync says of its peers and links, and the node attributes that follow from it.

What corosync does not say is in no attribute: a rule has `not_defined` for it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# The words of 2011, which were Heartbeat's.
UP, DEAD = "up", "dead"

# A name of a node that can be the beginning of an attribute's name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
_LINE = re.compile(r"(\S+) \(\w+\) = (.*)")
_NODE = re.compile(r"nodelist\.node\.([0-9]{1,5})\.(nodeid|name|ring[0-9]_addr)", re.ASCII)
_MEMBER = re.compile(r"runtime\.members\.([0-9]{1,10})\.(status|ip)", re.ASCII)
_LINK = re.compile(r"stats\.knet\.node([0-9]{1,10})\.link([0-9])\.(connected|enabled)", re.ASCII)
# Of a member's addresses: r(0) ip(192.0.2.1) r(1) ip(198.51.100.1)
_RING = re.compile(r"r\(([0-9])\) ip\(([^) ]+)\)", re.ASCII)


class Peer(NamedTuple):
    """Another node of corosync's list."""

    name: str
    is_member: bool


class Membership(NamedTuple):
    """peers by corosync's number of them. addresses: this host's, by the number of the link; empty
    where only a name is known. has_knet: whether corosync knows the state of each link."""

    peers: Mapping[str, Peer]
    addresses: Mapping[int, str]
    has_knet: bool


# Whether a peer is heard over a link, by the peer's number and the link's.
Links = dict[tuple[str, int], bool]


def cmap(answer: str) -> dict[str, str]:
    """What corosync-cmapctl prints, by key. A line of another form says nothing."""
    matches = map(_LINE.fullmatch, answer.splitlines())
    return {match[1]: match[2].strip() for match in matches if match}


def membership(keys: Mapping[str, str]) -> Membership | None:
    """None if it does not tell which of the nodes this one is."""
    nodes: dict[str, dict[str, str]] = {}
    members: dict[str, dict[str, str]] = {}
    for pattern, found in ((_NODE, nodes), (_MEMBER, members)):
        for key, value in keys.items():
            match = pattern.fullmatch(key)
            if match:
                found.setdefault(match[1], {})[match[2]] = value
    own = nodes.pop(keys.get("nodelist.local_node_pos", ""), {})
    local = own.get("nodeid")
    if local is None:
        return None
    peers = {
        node["nodeid"]: Peer(_name(node), members.get(node["nodeid"], {}).get("status") == "joined")
        for node in nodes.values()
        if "nodeid" in node
    }
    return Membership(
        peers,
        _addresses(own, members.get(local, {})),
        keys.get("totem.transport", "knet") == "knet",
    )


def links(keys: Mapping[str, str]) -> Links:
    said: dict[tuple[str, int], dict[str, str]] = {}
    for key, value in keys.items():
        match = _LINK.fullmatch(key)
        if match:
            said.setdefault((match[1], int(match[2])), {})[match[3]] = value
    return {
        which: (each["connected"], each["enabled"]) == ("1", "1")
        for which, each in said.items()
        if {"connected", "enabled"} <= each.keys()
    }


def links_of_members(known: Membership) -> Links:
    """Of a transport with one link and no word of its own: who is a member is heard over it."""
    return {(number, 0): True for number, peer in known.peers.items() if peer.is_member}


def attributes(
    known: Membership, seen: Links, interfaces: Mapping[int, str], total: str
) -> dict[str, str]:
    """PEER-INTERFACE for each member and link, and total: how many links nothing speaks against.

    A node that is no member has no attribute, as in 2011. Over a link that counts in total a member
    is heard. Where this host is the only member there is none to be heard, and each link counts:
    else the guests of the last host would have a reason to leave as soon as another one comes.
    """
    made: dict[str, str] = {}
    heard: dict[int, bool] = {}
    for (number, link), is_up in seen.items():
        peer = known.peers.get(number)
        if peer is not None and peer.is_member:
            made[f"{peer.name}-{interfaces.get(link, f'link{link}')}"] = UP if is_up else DEAD
            heard[link] = is_up or heard.get(link, False)
    is_alone = not any(peer.is_member for peer in known.peers.values())
    if heard or (is_alone and known.addresses):
        made[total] = str(len(known.addresses) if is_alone else sum(heard.values()))
    return made


def is_well(known: Membership, seen: Links) -> bool:
    """Whether every node is a member, and heard over every link."""
    return all(seen.values()) and all(peer.is_member for peer in known.peers.values())


def interface_of(address: str, devices: object) -> str | None:
    """The device that has it, by what `ip -json address show` says."""
    for device in devices if isinstance(devices, list) else ():
        try:
            held = [ipaddress.ip_address(info["local"]) for info in device.get("addr_info", ())]
            if ipaddress.ip_address(address) in held:
                return str(device["ifname"])
        except (ValueError, KeyError, TypeError, AttributeError):
            # An entry of another form, or no address.
            continue
    return None


def _addresses(node: Mapping[str, str], member: Mapping[str, str]) -> dict[int, str]:
    """A member's addresses are resolved, but those of its time: a link that was added since is not
    among them."""
    resolved = dict(_RING.findall(member.get("ip", "")))
    rings = {key[len("ring")]: text for key, text in node.items() if key.startswith("ring")}
    return {
        int(number): text if _is_address(text) else resolved.get(number, "")
        for number, text in sorted(rings.items())
    }


def _name(node: Mapping[str, str]) -> str:
    """As Pacemaker names it; its number where corosync's list has no name for it."""
    for name in (node.get("name", ""), node.get("ring0_addr", "")):
        if _NAME.fullmatch(name) and not _is_address(name):
            return name
    return node["nodeid"]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
