# SPDX-License-Identifier: GPL-2.0-or-later
"""The corosync.conf of the lab's hosts, and corosync as a daemon in one of them."""

from __future__ import annotations

from pmkvm.deadline import Deadline
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.machine import Machine

CONF = "/etc/corosync/corosync.conf"

# One setting to a line: corosync 3.1.7 rejects a brace and a setting on the same one.
HEAD = """totem {
  version: 2
  cluster_name: lab
  transport: knet
  crypto_cipher: none
  crypto_hash: none
  token: 3000
}
logging {
  to_logfile: yes
  logfile: /var/log/cluster/corosync.log
  to_syslog: no
}
"""


def configuration(hosts: Sequence[Machine]) -> str:
    nodes = "".join(_node(host) for host in hosts)
    # two_node brings wait_for_all: a host that boots alone neither runs nor fences anything.
    two_node = "  two_node: 1\n" if len(hosts) == 2 else ""
    quorum = f"quorum {{\n  provider: corosync_votequorum\n{two_node}}}\n"
    return f"{HEAD}nodelist {{\n{nodes}}}\n{quorum}"


def configure(host: Machine, hosts: Sequence[Machine]) -> None:
    host.write(CONF, configuration(hosts))
    host.must(["find", "/var/lib/corosync", "-mindepth", "1", "-delete"])


def start(host: Machine) -> None:
    """Back when it answers; whether it has quorum is another question."""
    host.spawn("corosync", ["corosync", "-f"])
    deadline = Deadline(15)
    while host.run(["corosync-quorumtool", "-s"], timeout_s=5).rc not in (0, 2):
        if deadline.expired():
            raise LabError(f"{host.name}: corosync does not answer")
        deadline.pause(0.1)


def is_quorate(host: Machine) -> bool:
    done = host.run(["corosync-quorumtool", "-s"], timeout_s=5)
    return any(line.split()[:2] == ["Quorate:", "Yes"] for line in done.out.splitlines())


def _node(host: Machine) -> str:
    return (
        f"  node {{\n    ring0_addr: {host.address}\n"
        f"    name: {host.name}\n    nodeid: {host.number}\n  }}\n"
    )
