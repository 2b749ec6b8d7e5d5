# SPDX-License-Identifier: GPL-2.0-or-later
"""Fencing of the lab's hosts, the lab's side: start the daemon, install the agent, read the log."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.files import read_text, remove, write_atomically
from tests.lab.errors import LabError
from tests.lab.hosts.machine import PROJECT
from tests.lab.hosts.process import detach, tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine


class Paths(NamedTuple):
    """Files of the fencing daemon, outside the hosts."""

    socket: str
    log: str
    switch: str


class Event(NamedTuple):
    """One off, on or reboot that was asked for, and what came of it."""

    time: float
    action: str
    host: str
    answer: str


@dataclasses.dataclass(frozen=True)
class Switch:
    """How the power switch behaves: which hosts it refuses, how late it answers.

    A host that was rebooted stays off until a test boots it, unless boots_again.
    """

    refused: list[str] = dataclasses.field(default_factory=list)
    delay_s: float = 0.0
    boots_again: bool = False

    @staticmethod
    def load(directory: str) -> Switch:
        text = read_text(paths(directory).switch)
        return Switch() if text is None else Switch(**json.loads(text))


class Fencing(NamedTuple):
    """The power switch of a lab."""

    directory: str

    @property
    def pidfile(self) -> str:
        return os.path.join(self.directory, "run", "fence_daemon.pid")

    def start(self) -> None:
        """Back when its socket is there."""
        where = paths(self.directory)
        os.makedirs(os.path.dirname(where.socket), exist_ok=True)
        log = os.path.join(self.directory, "fence_daemon.log")
        argv = [sys.executable, "-m", "tests.lab.cluster.fence_daemon", self.directory]
        detach(self.pidfile, log, argv, {"PMKVM_LAB_DIR": self.directory})
        deadline = Deadline(10)
        while not os.path.exists(where.socket):
            if deadline.expired():
                raise LabError(f"the fencing daemon does not start: {tail(log)}")
            deadline.pause(0.05)

    def events(self) -> list[Event]:
        """Every off, on and reboot since the log was last cleared."""
        text = read_text(paths(self.directory).log) or ""
        return [Event(**json.loads(line)) for line in text.splitlines()]

    def set(self, switch: Switch) -> None:
        """Have it behave so, until repair()."""
        write_atomically(paths(self.directory).switch, json.dumps(dataclasses.asdict(switch)))

    def repair(self) -> None:
        """Works as it should, and its log is empty."""
        remove(paths(self.directory).switch)
        remove(paths(self.directory).log)


def install(host: Machine) -> None:
    source = f"{PROJECT}/tests/lab/cluster/fence_lab.py"
    host.must(["install", "-m", "0755", source, "/usr/sbin/fence_lab"])


def paths(directory: str) -> Paths:
    def path(name: str) -> str:
        return os.path.join(directory, "fence", name)

    return Paths(path("socket"), path("log"), path("switch.json"))
