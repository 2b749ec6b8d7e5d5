# SPDX-License-Identifier: GPL-2.0-or-later
"""Two corosyncs with two links, in namespaces of their own on this machine: no other process sees
them or their network, and nothing of theirs stays on a disk."""

from __future__ import annotations

import contextlib
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pmkvm import run
from tests.tools.roots import HERE, enter
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pmkvm.run import Completed

NODES, LINKS = (1, 2), (0, 1)

# $1: the root, empty for this machine's; $2: the node's number; $3: a file that is there when the
# links are. The configuration is on stdin.
SCRIPT = """
set -e
mount --make-rprivate /
if [ -n "$1" ]; then
    mount --rbind /dev "$1/dev"
    mount --rbind /proc "$1/proc"
fi
for directory in run var/lib var/log etc/corosync dev/shm; do
    mount -t tmpfs none "$1/$directory"
done
mkdir "$1/var/lib/corosync" "$1/var/log/corosync"
cat > "$1/etc/corosync/corosync.conf"
hostname "node$2"
ip link set lo up
while [ ! -e "$3" ]; do sleep 0.1; done
[ -z "$1" ] || exec chroot "$1" corosync -f
exec corosync -f
"""

HEAD = """totem {
  version: 2
  cluster_name: tools
  transport: knet
  crypto_cipher: none
  crypto_hash: none
}
logging {
  to_logfile: no
  to_syslog: no
  to_stderr: no
}
system {
  sched_rr: no
  move_to_root_cgroup: no
}
quorum {
  provider: corosync_votequorum
  two_node: 1
}
"""


def configuration() -> str:
    nodes = ""
    for node in NODES:
        rings = "".join(f"    ring{link}_addr: 10.99.{link}.{node}\n" for link in LINKS)
        nodes += f"  node {{\n{rings}    name: node{node}\n    nodeid: {node}\n  }}\n"
    return f"{HEAD}nodelist {{\n{nodes}}}\n"


class Corosyncs:
    """processes: by the nodes' numbers. What is called is called at node 1."""

    def __init__(self, root: Path, processes: dict[int, subprocess.Popen[str]]) -> None:
        self.processes = processes
        self._root = root

    def ip(self, node: int, *arguments: str) -> None:
        argv = ["nsenter", "-t", str(self.processes[node].pid), "-n", "ip", *arguments]
        subprocess.run(argv, check=True, timeout=30)

    def call(
        self, argv: Sequence[str], *, timeout_s: float, environment: object = None
    ) -> Completed:
        assert environment is None
        inside = ("nsenter", "-t", str(self.processes[1].pid), "-m", "-n", *enter(self._root))
        return real(inside + tuple(argv), timeout_s=timeout_s)


real = run.run


@contextlib.contextmanager
def running(root: Path, directory: Path) -> Iterator[Corosyncs]:
    """Back when both are started; whether they have met is another question."""
    gate = directory / "gate"
    prefix = "" if root == HERE else str(root)
    with contextlib.ExitStack() as stack:
        processes = {}
        for node in NODES:
            argv = ["unshare", "--mount", "--net", "--uts", "sh", "-c", SCRIPT, "sh", prefix]
            process = subprocess.Popen(
                [*argv, str(node), str(gate)], stdin=subprocess.PIPE, encoding="utf-8"
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdin is not None
            process.stdin.write(configuration())
            process.stdin.close()
            processes[node] = process
        found = Corosyncs(root, processes)
        for process in processes.values():
            eventually("a network of its own", partial(_is_apart, process.pid))
        for link in LINKS:
            peer = ("peer", "name", f"eth{link}", "netns", str(processes[2].pid))
            found.ip(1, "link", "add", f"eth{link}", "type", "veth", *peer)
            for node in NODES:
                found.ip(node, "address", "add", f"10.99.{link}.{node}/24", "dev", f"eth{link}")
                found.ip(node, "link", "set", f"eth{link}", "up")
        gate.touch()
        yield found


def _is_apart(pid: int) -> bool:
    name = "ns/net"
    return Path(f"/proc/{pid}/{name}").readlink() != Path(f"/proc/self/{name}").readlink()
