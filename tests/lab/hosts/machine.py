# SPDX-License-Identifier: GPL-2.0-or-later
"""One host: namespaces over an overlay of a root. Booting, killing, cutting off, running in it.

What it writes to its disk (the overlay's upper directory) survives a kill, /run does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.run import Completed, run
from tests.lab.errors import LabError
from tests.lab.hosts import disks, network
from tests.lab.hosts.process import (
    CHECKOUT,
    Process,
    children,
    detach,
    every,
    identify,
    read_pidfile,
    tail,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHARED = "/mnt/shared"
PROJECT = "/mnt/project"
FENCE = "/mnt/fence"
BOOT_TIMEOUT_S = 60.0
COMMAND_S = 60.0
WRITE = 'install -D -m "$2" /dev/stdin "$1.lab-new" && mv -T "$1.lab-new" "$1"'


class Machine(NamedTuple):
    """A host of the lab; holds no state of its own, so that several processes can use it."""

    directory: str
    number: int
    root: str

    @property
    def name(self) -> str:
        return f"host{self.number}"

    @property
    def address(self) -> str:
        return network.address(self.number)

    @property
    def ring_address(self) -> str:
        """Its address in the second network of corosync."""
        return network.ring_address(self.number)

    @property
    def pidfile(self) -> str:
        return os.path.join(self.directory, "run", f"{self.name}.pid")

    @property
    def home(self) -> str:
        """The directory of all that the lab keeps for this host."""
        return os.path.join(self.directory, self.name)

    @property
    def upper(self) -> str:
        """The host's disk, as seen from outside."""
        return os.path.join(self.home, "upper")

    def init(self) -> Process | None:
        """PID 1, as this machine numbers it; None when the host is dead."""
        starter = read_pidfile(self.pidfile)
        found = children(starter.pid) if starter is not None else []
        return found[0] if found else None

    def is_alive(self) -> bool:
        return self.init() is not None

    def process(self, pid: int) -> Process | None:
        """Which of this machine's processes has this number in the host."""
        init = self.init()
        space = None if init is None else _link(init.pid)
        for number in every() if space else ():
            if _link(number) == space and _inner_pid(number) == pid:
                return identify(number)
        return None

    def boot(self) -> None:
        """Start PID 1 in a fresh network namespace; nothing else runs in it yet."""
        if self.is_alive():
            raise LabError(f"{self.name} is already up")
        network.connect(self.number)
        log = os.path.join(self.directory, self.name, "init.log")
        inside = ["nsenter", f"--net=/run/netns/{network.namespace(self.number)}"]
        unshare = ["unshare", "-m", "-u", "-i", "-p", "-f", "--kill-child=SIGKILL"]
        init = [sys.executable, "-m", "tests.lab.hosts.host_init", self._write_spec()]
        detach(self.pidfile, log, [*inside, "--", *unshare, "--", *init])
        deadline = Deadline(BOOT_TIMEOUT_S)
        while not self._is_ready():
            if deadline.expired() or read_pidfile(self.pidfile) is None:
                raise LabError(f"{self.name} does not boot: {tail(log)}")
            deadline.pause(0.02)

    def kill(self) -> None:
        """Power off, as a fence device does it: no process of it can say good-bye on the wire."""
        if network.is_plugged(network.lab_link(self.number)):
            self.cut()
        init = self.init()
        if init is not None:
            init.kill()

    def cut(self) -> None:
        """Pull the host's wire to the other hosts."""
        network.unplug(network.lab_link(self.number))

    def heal(self) -> None:
        network.plug(network.lab_link(self.number))

    def cut_ring(self) -> None:
        """Pull its wire to the second network, which corosync uses where it has two links."""
        network.unplug(network.ring_link(self.number))

    def heal_ring(self) -> None:
        network.plug(network.ring_link(self.number))

    def is_cut(self) -> bool:
        return not network.is_plugged(network.lab_link(self.number))

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs argv in the host."""
        init = self.init()
        if init is None:
            raise LabError(f"{self.name} is down")
        return ["nsenter", "-t", str(init.pid), "-m", "-u", "-n", "-i", "-p", "-r", "-w", *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = COMMAND_S,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a program in the host to its end, whatever its exit code."""
        command = self.enter(argv)
        return run(command, timeout_s=timeout_s, stdin=stdin, environment=environment)

    def must(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = COMMAND_S,
        stdin: str | None = None,
    ) -> str:
        """As run, but anything other than success is an error; gives the output."""
        done = self.run(argv, timeout_s=timeout_s, stdin=stdin)
        if done.rc != 0:
            said = (done.err + done.out).strip()
            raise LabError(f"{self.name}: {' '.join(argv)}: exit {done.rc}: {said}")
        return done.out

    def read(self, path: str) -> str:
        return self.must(["cat", path])

    def on_disk(self, path: str) -> str:
        """What it has written to a file, dead or alive; empty without it."""
        with contextlib.suppress(FileNotFoundError):
            return Path(self.upper + path).read_text(encoding="utf-8", errors="replace")
        return ""

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        """A whole file at any moment, whoever reads or executes it meanwhile."""
        self.must(["sh", "-ec", WRITE, "sh", path, mode], stdin=text)

    def spawn(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a daemon in the host under a name by which signal() and stop() know it."""
        script = f"{PROJECT}/tests/lab/hosts/detach.py"
        launcher = ["/usr/bin/python3", "-I", script, _pidfile(name), f"/var/log/lab-{name}.log"]
        done = self.run([*launcher, *argv], environment=environment)
        if done.rc != 0:
            raise LabError(f"{self.name}: {name} did not start: {done.err.strip()}")

    def pid_of(self, name: str) -> int | None:
        """The number, inside the host, of a spawned daemon that still lives."""
        line = self.run(["cat", _pidfile(name)]).out.split()
        if not line:
            return None
        fields = self.run(["cat", f"/proc/{line[0]}/stat"]).out.rpartition(")")[2].split()
        is_same = bool(fields) and fields[0] != "Z" and fields[19] == line[1]
        return int(line[0]) if is_same else None

    def spawned(self, name: str) -> Process | None:
        """A spawned daemon that still lives, as this machine numbers it."""
        pid = self.pid_of(name)
        return None if pid is None else self.process(pid)

    def signal(self, name: str, signal: str) -> None:
        """Send a signal (STOP, CONT, KILL ...) to a spawned daemon."""
        pid = self.pid_of(name)
        if pid is None:
            raise LabError(f"{self.name}: {name} does not run")
        self.must(["kill", f"-{signal}", str(pid)])

    def stop(self, name: str, timeout_s: float = 20.0) -> None:
        """SIGTERM (and SIGCONT, it may be stopped), SIGKILL at the deadline; back when dead."""
        deadline = Deadline(timeout_s)
        for signal in ("TERM", "CONT"):
            self._signal_if_alive(name, signal)
        while self.pid_of(name) is not None:
            if deadline.expired():
                self._signal_if_alive(name, "KILL")
                deadline = Deadline(timeout_s)
            deadline.pause(0.05)

    def _signal_if_alive(self, name: str, signal: str) -> None:
        pid = self.pid_of(name)
        if pid is not None:
            # It may end between the two commands; inside one host nothing takes its number so soon.
            self.run(["kill", f"-{signal}", str(pid)])

    def _is_ready(self) -> bool:
        init = self.init()
        return init is not None and os.path.exists(f"/proc/{init.pid}/root/run/lab-ready")

    def _write_spec(self) -> str:
        home = Path(self.home)
        for part in ("upper", "work", "root"):
            (home / part).mkdir(parents=True, exist_ok=True)
        shared, fence = (os.path.join(self.directory, part) for part in ("shared", "fence"))
        spec = {
            "name": self.name,
            "lower": self.root,
            "upper": str(home / "upper"),
            "work": str(home / "work"),
            "root": str(home / "root"),
            "logs": os.path.join(self.home, disks.LOGS),
            "binds": {shared: SHARED, fence: FENCE, CHECKOUT: PROJECT},
        }
        path = home / "spec.json"
        path.write_text(json.dumps(spec), encoding="utf-8")
        return str(path)


def _link(pid: int) -> str:
    """The namespace of process numbers that a process is in; empty if it has ended."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""


def _inner_pid(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            name, *numbers = line.split()
            if name == "NSpid:":
                return int(numbers[-1])
    return None


def _pidfile(name: str) -> str:
    return f"/run/lab/{name}.pid"
