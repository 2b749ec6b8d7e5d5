# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's corosync.conf: a second link where a node has an address for it, and only there."""

from __future__ import annotations

from tests.lab.cluster.corosync import Node, configuration
from tests.lab.hosts import network


def addresses(text: str) -> list[str]:
    lines = (line.split() for line in text.splitlines())
    return [" ".join(words) for words in lines if words and words[0].startswith("ring")]


def test_each_node_has_a_link_in_each_network() -> None:
    one = [Node(f"host{n}", n, network.address(n)) for n in (1, 2)]
    assert addresses(configuration("lab", one)) == [
        "ring0_addr: 10.77.0.1",
        "ring0_addr: 10.77.0.2",
    ]
    two = [node._replace(ring=network.ring_address(node.number)) for node in one]
    assert addresses(configuration("lab", two)) == [
        "ring0_addr: 10.77.0.1",
        "ring1_addr: 10.99.0.1",
        "ring0_addr: 10.77.0.2",
        "ring1_addr: 10.99.0.2",
    ]


def test_names_of_wires_fit_the_kernel() -> None:
    makers = (network.lab_link, network.guest_link, network.ring_link)
    names = [make(number) for make in makers for number in (1, 16)]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 15 for name in (*names, *network.BRIDGES))
