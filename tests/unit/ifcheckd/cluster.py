# SPDX-License-Identifier: GPL-2.0-or-later
"""A corosync and an attrd of the tests: what the tools of both would say of this host's cluster.

The forms are those that corosync 3.1.7 and 3.1.9 print (data/).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pmkvm.errors import CommandMissingError, CommandTimeoutError
from pmkvm.run import Completed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Cluster:
    """links: whether this host, node 1, hears that peer over that link.

    What is to fail is one of the words of a command line: silent for the deadline, missing for a
    tool that is not there. is_mute: corosync's tool finds no corosync.
    """

    def __init__(self, peers: int = 1, links: int = 2) -> None:
        self.links = {(n, k): True for n in range(2, peers + 2) for k in range(links)}
        self.members = set(range(1, peers + 2))
        self.devices = {f"10.77.{link}.1": f"eth{link}" for link in range(links)}
        self.transport = "knet"
        self.silent: set[str] = set()
        self.missing: set[str] = set()
        self.is_mute = False
        self.attributes: dict[str, str] = {}
        self.delays: dict[str, str] = {}
        self.calls: list[str] = []
        self.writes: list[str] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        assert timeout_s > 0
        assert stdin is None
        assert environment in (None, {})
        self.calls.append(argv[0])
        if self.missing & set(argv):
            raise CommandMissingError(f"{argv[0]} is not installed")
        if self.silent & set(argv):
            raise CommandTimeoutError(f"{argv[0]} did not end within {timeout_s:.1f} s")
        if argv[0] == "ip":
            return Completed(0, json.dumps(list(self._devices())), "")
        if argv[0] == "attrd_updater":
            self._attrd(argv[1:])
            return Completed(0, "", "")
        assert argv[0] == "corosync-cmapctl"
        if self.is_mute:
            return Completed(1, "", "cmap: CS_ERR_LIBRARY\n")
        lines = self._stats() if "stats" in argv else self._members()
        return Completed(0 if lines else 1, "".join(f"{line}\n" for line in lines), "")

    def _devices(self) -> list[object]:
        lo = {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1"}]}
        others = [
            {"ifname": name, "addr_info": [{"family": "inet", "local": address}]}
            for address, name in self.devices.items()
        ]
        return [lo, *others]

    def _stats(self) -> list[str]:
        if self.transport != "knet":
            return []
        lines = [
            "stats.knet.node1.link0.connected (u8) = 1",
            "stats.knet.node1.link0.enabled (u8) = 1",
        ]
        for (number, link), is_up in self.links.items():
            own = f"stats.knet.node{number}.link{link}"
            lines += [f"{own}.connected (u8) = {int(is_up)}", f"{own}.enabled (u8) = 1"]
            lines += [f"{own}.latency_ave (u32) = 111"]
        return lines

    def _members(self) -> list[str]:
        numbers = sorted({number for number, _link in self.links} | {1})
        count = 1 + max((link for _number, link in self.links), default=0)
        lines = ["nodelist.local_node_pos (u32) = 0", f"totem.transport (str) = {self.transport}"]
        for at, number in enumerate(numbers):
            own = f"nodelist.node.{at}"
            lines += [f"{own}.name (str) = host{number}", f"{own}.nodeid (u32) = {number}"]
            lines += [
                f"{own}.ring{link}_addr (str) = 10.77.{link}.{number}" for link in range(count)
            ]
            rings = " ".join(f"r({link}) ip(10.77.{link}.{number})" for link in range(count))
            status = "joined" if number in self.members else "left"
            own = f"runtime.members.{number}"
            lines += [f"{own}.ip (str) = {rings} ", f"{own}.status (str) = {status}"]
        return lines

    def _attrd(self, arguments: Sequence[str]) -> None:
        given = dict(word.split("=", 1) for word in arguments if "=" in word)
        name = given["--name"]
        if "--delete" in arguments:
            self.attributes.pop(name, None)
            self.writes.append(f"-{name}")
            return
        value = given.get("--update") or given["--update-both"]
        if "--update-both" in given:
            self.delays[name] = given["--delay"]
        self.attributes[name] = value
        self.writes.append(f"{name}={value}")
