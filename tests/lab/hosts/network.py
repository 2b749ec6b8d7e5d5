# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's wires: bridges and veths on this machine, one network namespace for each host.

Every name starts with PREFIX, no bridge has an address outside, so traffic stays in the lab.
"""

from __future__ import annotations

from pmkvm.run import run
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "pmkvm-"
LAB_BRIDGE = PREFIX + "lab"
GUEST_BRIDGE = PREFIX + "guest"
# A second network of the hosts' corosync, which uses it where a test asks for two links.
RING_BRIDGE = PREFIX + "ring"
BRIDGES = (LAB_BRIDGE, GUEST_BRIDGE, RING_BRIDGE)
# What is in no host: the hosts' BMCs, which a host reaches by the second network.
BMC_NAMESPACE = BMC_LINK = PREFIX + "bmc"
# The interface of the lab's network in each host, and that of the second one.
LAB_INTERFACE, RING_INTERFACE = "eth0", "eth2"
# The bridge in each host that guests' interfaces join; it leads to GUEST_BRIDGE.
HOST_GUEST_BRIDGE = "guestbr"


def address(index: int) -> str:
    return f"10.77.0.{index}"


def ring_address(index: int) -> str:
    return f"10.99.0.{index}"


def bmc_address(index: int) -> str:
    """Of a host's BMC, in the second network."""
    return ring_address(100 + index)


def guest_address(index: int) -> str:
    """What a guest at home on that host may have."""
    return f"10.88.0.{index}"


def namespace(index: int) -> str:
    return f"{PREFIX}host{index}"


def lab_link(index: int) -> str:
    """The outer end of a host's wire to the lab's network."""
    return f"{PREFIX}lab{index}"


def guest_link(index: int) -> str:
    """The outer end of a host's wire to the guests' network."""
    return f"{PREFIX}gst{index}"


def ring_link(index: int) -> str:
    """The outer end of a host's wire to the second network of corosync."""
    return f"{PREFIX}rng{index}"


def ensure_bridge(name: str) -> None:
    if not _has_link(name):
        _ip("link", "add", name, "type", "bridge")
    _ip("link", "set", name, "up")


def connect(index: int) -> None:
    """Make a host's namespace with its three wires, from nothing."""
    disconnect(index)
    name = namespace(index)
    _ip("netns", "add", name)
    _ip("-n", name, "link", "set", "lo", "up")
    for link, bridge, inner, own in (
        (lab_link(index), LAB_BRIDGE, LAB_INTERFACE, address(index)),
        (ring_link(index), RING_BRIDGE, RING_INTERFACE, ring_address(index)),
    ):
        _wire(link, bridge, name, inner)
        _ip("-n", name, "address", "add", f"{own}/24", "dev", inner)
        _ip("-n", name, "link", "set", inner, "up")
    _wire(guest_link(index), GUEST_BRIDGE, name, "eth1")
    _ip("-n", name, "link", "add", HOST_GUEST_BRIDGE, "type", "bridge")
    _ip("-n", name, "link", "set", "eth1", "master", HOST_GUEST_BRIDGE, "up")
    _ip("-n", name, "link", "set", HOST_GUEST_BRIDGE, "up")


def connect_bmcs(indexes: Iterable[int]) -> None:
    """Make the BMCs' namespace, from nothing, with an address for each of these hosts."""
    disconnect_bmcs()
    _ip("netns", "add", BMC_NAMESPACE)
    _wire(BMC_LINK, RING_BRIDGE, BMC_NAMESPACE, "eth0")
    for index in indexes:
        _ip("-n", BMC_NAMESPACE, "address", "add", f"{bmc_address(index)}/24", "dev", "eth0")
    _ip("-n", BMC_NAMESPACE, "link", "set", "eth0", "up")


def disconnect_bmcs() -> None:
    remove_link(BMC_LINK)
    remove_namespace(BMC_NAMESPACE)


def disconnect(index: int) -> None:
    """Remove a host's wires, then its namespace; what is not there is no error."""
    # A namespace lives on while a process is in it, and its wires with it: they go first.
    for link in (lab_link(index), guest_link(index), ring_link(index)):
        remove_link(link)
    remove_namespace(namespace(index))


def plug(link: str) -> None:
    _ip("link", "set", link, "up")


def unplug(link: str) -> None:
    _ip("link", "set", link, "down")


def is_plugged(link: str) -> bool:
    done = run(["ip", "-brief", "link", "show", "dev", link], timeout_s=10)
    return done.rc == 0 and ",UP" in done.out


def remove_link(name: str) -> None:
    if _has_link(name):
        _ip("link", "delete", name)


def remove_namespace(name: str) -> None:
    done = run(["ip", "netns", "list"], timeout_s=10)
    if name in [line.split()[0] for line in done.out.splitlines() if line]:
        _ip("netns", "delete", name)


def _wire(outer: str, bridge: str, name: str, inner: str) -> None:
    _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
    _ip("link", "set", outer, "master", bridge, "up")


def _has_link(name: str) -> bool:
    return run(["ip", "link", "show", "dev", name], timeout_s=10).rc == 0


def _ip(*arguments: str) -> None:
    done = run(["ip", *arguments], timeout_s=10)
    if done.rc != 0:
        raise LabError(f"ip {' '.join(arguments)}: {done.err.strip()}")
