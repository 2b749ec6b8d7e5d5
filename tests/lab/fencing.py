# SPDX-License-Identifier: GPL-2.0-or-later
"""Fencing of the lab's hosts, the lab's side: start the daemon, install the agent, read the log."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.files import remove, write_atomically
from tests.lab.errors import LabError
from tests.lab.machine import PROJECT
from tests.lab.process import detach, tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.machine import Machine


class Paths(NamedTuple):
    """Files of the fencing daemon, outside the hosts."""

    socket: str
    log: str
    faults: str


class Event(NamedTuple):
    """One off, on or reboot that was asked for, and what came of it."""

    time: float
    action: str
    host: str
    answer: str


@dataclasses.dataclass(frozen=True)
class Faults:
    """What is wrong with the power switch."""

    refused: tuple[str, ...] = ()
    delay_s: float = 0.0

    @staticmethod
    def load(directory: str) -> Faults:
        try:
            text = Path(paths(directory).faults).read_text(encoding="utf-8")
        except FileNotFoundError:
            return Faults()
        fields = json.loads(text)
        return Faults(tuple(fields["refused"]), fields["delay_s"])


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
        argv = [sys.executable, "-m", "tests.lab.fence_daemon", self.directory]
        detach(self.pidfile, log, argv, {"PMKVM_LAB_DIR": self.directory})
        deadline = Deadline(10)
        while not os.path.exists(where.socket):
            if deadline.expired():
                raise LabError(f"the fencing daemon does not start: {tail(log)}")
            deadline.pause(0.05)

    def events(self) -> list[Event]:
        """Every off, on and reboot since the log was last cleared."""
        try:
            text = Path(paths(self.directory).log).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [Event(**json.loads(line)) for line in text.splitlines()]

    def break_it(self, *refused: str, delay_s: float = 0.0) -> None:
        """Refuse to switch these hosts; answer everything late."""
        text = json.dumps({"refused": refused, "delay_s": delay_s})
        write_atomically(paths(self.directory).faults, text)

    def repair(self) -> None:
        """Works again, and its log is empty."""
        remove(paths(self.directory).faults)
        remove(paths(self.directory).log)


def install(host: Machine) -> None:
    source = f"{PROJECT}/tests/lab/fence_lab.py"
    host.must(["install", "-m", "0755", source, "/usr/sbin/fence_lab"])


def paths(directory: str) -> Paths:
    def path(name: str) -> str:
        return os.path.join(directory, "fence", name)

    return Paths(path("socket"), path("log"), path("faults.json"))
