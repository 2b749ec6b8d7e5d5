# SPDX-License-Identifier: GPL-2.0-or-later
"""The corosync.conf of the lab's clusters, and corosync as a daemon in one of its hosts."""

from __future__ import annotations

from typing import NamedTuple

from pmkvm.deadline import Deadline
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.hosts.machine import Machine

CONF = "/etc/corosync/corosync.conf"
START_S = 60.0

# One setting to a line: corosync 3.1.7 rejects a brace and a setting on the same one.
HEAD = """totem {{
  version: 2
  cluster_name: {cluster}
  transport: knet
  crypto_cipher: none
  crypto_hash: none
  token: 3000
}}
logging {{
  to_logfile: yes
  logfile: /var/log/cluster/corosync.log
  to_syslog: no
}}
"""


class Node(NamedTuple):
    """A member of a cluster, with a link in each network that it has an address in."""

    name: str
    number: int
    address: str
    # In a second network; empty without one.
    ring: str = ""


def configuration(cluster: str, nodes: Sequence[Node]) -> str:
    listed = "".join(_node(node) for node in nodes)
    # two_node brings wait_for_all: a host that boots alone neither runs nor fences anything.
    two_node = "  two_node: 1\n" if len(nodes) == 2 else ""
    quorum = f"quorum {{\n  provider: corosync_votequorum\n{two_node}}}\n"
    return f"{HEAD.format(cluster=cluster)}nodelist {{\n{listed}}}\n{quorum}"


def configure(host: Machine, hosts: Sequence[Machine]) -> None:
    host.write(CONF, _of_lab(hosts, is_double=False))
    # Sid's package leaves it to systemd to make this.
    host.must(["mkdir", "-p", "/var/lib/corosync"])
    host.must(["find", "/var/lib/corosync", "-mindepth", "1", "-delete"])


def set_links(hosts: Sequence[Machine], *, is_double: bool) -> None:
    """Have the corosyncs that run use both networks, or the lab's alone. Nothing is restarted: knet
    takes a link on, or drops it."""
    for host in hosts:
        host.write(CONF, _of_lab(hosts, is_double=is_double))
    hosts[0].must(["corosync-cfgtool", "-R"])


def start(host: Machine) -> None:
    """Back when it answers; whether it has quorum is another question."""
    host.spawn("corosync", ["corosync", "-f"])
    deadline = Deadline(START_S)
    while host.run(["corosync-quorumtool", "-s"], timeout_s=5).rc not in (0, 2):
        if deadline.expired():
            raise LabError(f"{host.name}: corosync does not answer")
        deadline.pause(0.1)


def is_quorate(host: Machine) -> bool:
    done = host.run(["corosync-quorumtool", "-s"], timeout_s=5)
    return any(line.split()[:2] == ["Quorate:", "Yes"] for line in done.out.splitlines())


def _of_lab(hosts: Sequence[Machine], *, is_double: bool) -> str:
    nodes = [
        Node(each.name, each.number, each.address, each.ring_address if is_double else "")
        for each in hosts
    ]
    return configuration("lab", nodes)


def _node(node: Node) -> str:
    ring = f"    ring1_addr: {node.ring}\n" if node.ring else ""
    return (
        f"  node {{\n    ring0_addr: {node.address}\n{ring}"
        f"    name: {node.name}\n    nodeid: {node.number}\n  }}\n"
    )
