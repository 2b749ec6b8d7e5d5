# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that belongs to an enemy, and what its host's daemons make of it."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path
from typing import NamedTuple

from pmkvm.deadline import Deadline
from tests import hostile_guest, tree
from tests.lab.cluster import stonith
from tests.lab.cluster.registration import Registered, register
from tests.lab.errors import LabError
from tests.lab.guests.guests import Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

NAME, STOLEN = "enemy", "stolen"
PORT = "/dev/virtio-ports/vmconnectd"
KEYS = "/etc/pm_kvm_tools/stonith.key"
READY_S = 120.0
LOGS = ("/var/log/vm-connectd.log", stonith.LOG)
# These use the one that is for itself.
OWN = ("has a token and floods", "hoards", "is brief")
# Nobody else has the port open then.
_TAKE_PORT = """
chmod -x /usr/sbin/vm-connectd
pid=$(cat /run/lab/vm-connectd.pid) && kill "$pid"
for try in $(seq 300); do kill -0 "$pid" 2>/dev/null || exit 0; sleep .1; done
exit 1
"""


class Daemons(NamedTuple):
    """What a host's two daemons hold, and how many lines they have written."""

    connectd_kib: int
    stonithd_kib: int
    lines: tuple[list[str], list[str]]

    def grown_kib(self, before: Daemons) -> tuple[int, int]:
        return (
            self.connectd_kib - before.connectd_kib,
            self.stonithd_kib - before.stonithd_kib,
        )

    def since(self, before: Daemons) -> list[str]:
        pairs = zip(self.lines, before.lines)
        return [line for now, then in pairs for line in now[len(then) :]]


class Enemy(NamedTuple):
    """Its guest runs on the pair's first host. It has a token for itself, and has stolen one."""

    registered: Registered
    tokens: dict[str, str]

    @staticmethod
    def make(pair: Pair) -> Enemy:
        """A third guest, whose root has taken its port."""
        lab, host = pair.lab, pair.lab.hosts[0]
        guest = Guest(NAME, kind="full")
        lab.guests.define(guest)
        registered = register(lab, guest, host)
        registered.start()
        share_keys(lab)
        target = pair.target.guest.name
        tokens = {
            # One guest alone is no cluster: of these its own is taken.
            NAME: sealed(host, NAME, target)[NAME],
            STOLEN: sealed(host, pair.requester.guest.name, target)[target],
        }
        done = lab.guests.run(guest, ["sh", "-c", _TAKE_PORT], timeout_s=60)
        if done.rc != 0:
            raise LabError(f"its vm-connectd goes on: {done.err}")
        return Enemy(registered, tokens)

    @property
    def lab(self) -> Lab:
        return self.registered.lab

    @contextlib.contextmanager
    def speaks(self, kind: str, seconds: float) -> Iterator[None]:
        """Meanwhile; it is waited for."""
        self.forgive()
        source = Path(tree.ROOT, "tests", "hostile_guest.py").read_text(encoding="utf-8")
        token = self.tokens[NAME if kind in OWN else STOLEN]
        argv = ["/usr/bin/python3", "-c", source, PORT, kind, str(seconds), token]
        guest = self.registered.guest
        command = self.lab.guests.begin(guest, argv, timeout_s=seconds + 30)
        yield
        done = command.result()
        if done.rc != 0 or int(done.out) == 0:
            raise LabError(f"it said nothing as {kind}: {done}")

    def forgive(self) -> None:
        """vm-connectd begins anew, in place: it connects at once."""
        host = self.lab.hosts[0]
        before, began = status(host), time.monotonic()
        pid, age_s = before["pid"], float(str(before["up_seconds"]))
        host.must(["kill", "-HUP", str(pid)])
        deadline = Deadline(READY_S)
        # Without a new begin it would be older than that.
        while not self._is_anew(pid, age_s + time.monotonic() - began):
            if deadline.expired():
                raise LabError(f"vm-connectd does not come back: {host.read(LOGS[0])[-500:]}")
            deadline.pause(0.2)

    def _is_anew(self, pid: object, age_s: float) -> bool:
        """The same process, begun since; all guests are connected, vm-stonithd is registered."""
        host = self.lab.hosts[0]
        try:
            now = status(host)
        except LabError:
            return False
        guests = {each["resource"]: each for each in _guests(now)}
        own = guests.pop(self.registered.resource, {})
        return (
            now["pid"] == pid
            and float(str(now["up_seconds"])) < age_s
            and bool(own.get("is_connected"))
            and any(each.get("guest_program") for each in guests.values())
            and bool(stonith.status(host).get("is_registered"))
        )

    def daemons(self) -> Daemons:
        host = self.lab.hosts[0]
        connectd, stonithd = (
            _kib(host, pid) for pid in (status(host)["pid"], stonith.status(host)["pid"])
        )
        lines = [host.read(path).splitlines() for path in LOGS]
        return Daemons(connectd, stonithd, (lines[0], lines[1]))


def status(host: Machine) -> dict[str, object]:
    """What its vm-connectd says of itself."""
    found: dict[str, object] = json.loads(host.must(["vm-connectd", "--status"], timeout_s=15))
    return found


def share_keys(lab: Lab) -> None:
    """One key on all hosts, and each vm-stonithd has said so."""
    first, *others = lab.hosts
    if first.run(["test", "-e", KEYS]).rc != 0:
        first.must(["vm-stonith-key", "create"])
    for host in others:
        host.write(KEYS, first.read(KEYS), "0600")


def sealed(host: Machine, *names: str) -> dict[str, str]:
    """By the name of the target, tokens that these guests may use; waits for the keys."""
    deadline = Deadline(READY_S)
    argv = ["vm-stonith-key", "token", "--cluster", ",".join(names)]
    while (done := host.run(argv)).rc != 0:
        if deadline.expired():
            raise LabError(f"no tokens: {done.err}")
        deadline.pause(0.5)
    fields = done.out.splitlines()[1].split()
    return dict(field.split(":", 1) for field in fields)


def _guests(report: dict[str, object]) -> list[dict[str, object]]:
    found = report["guests"]
    assert isinstance(found, list)
    return found


def _kib(host: Machine, pid: object) -> int:
    found = re.search(r"VmRSS:\s*(\d+)", host.read(f"/proc/{pid}/status"))
    if found is None:
        raise LabError(f"{host.name}: process {pid} is gone")
    return int(found.group(1))


assert set(OWN) < set(hostile_guest.KINDS)
