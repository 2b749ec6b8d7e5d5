# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with programs, and vm-anything as Pacemaker calls it. The processes are real."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agents.vm_anything.agent import AGENT
from pmkvm.process import life_of
from tests.unit.ocf.sample import call

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from pmkvm.process import Life
    from tests.unit.ocf.sample import Called

# What a program in Python needs to speak to its NOTIFY_SOCKET.
SAY = """\
import os, socket, sys, time
def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(text.encode(), chr(0) + os.environ["NOTIFY_SOCKET"][1:])
"""


class World:
    """Every program is started in the directory, by which those left over are found."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.patch = patch
        self.run_dir = directory / "run"

    def program(self, text: str, name: str = "program") -> dict[str, str]:
        """The parameters of a program in shell."""
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return {"binfile": str(path), "workdir": str(self.directory)}

    def python(self, text: str) -> dict[str, str]:
        """The parameters of a program in Python, which has say() for its NOTIFY_SOCKET."""
        options = shlex.join(["-I", "-S", "-c", SAY + text])
        binfile = os.path.realpath(sys.executable)
        return {"binfile": binfile, "cmdline_options": options, "workdir": str(self.directory)}

    def act(
        self, action: str, parameters: dict[str, str], timeout_s: float = 20, name: str = "p1"
    ) -> Called:
        """One action. Parameters that begin with CRM_meta_ are given as Pacemaker does."""
        env = {"OCF_RESOURCE_INSTANCE": name}
        if timeout_s:
            env["OCF_RESKEY_CRM_meta_timeout"] = str(int(timeout_s * 1000))
        env.update({f"OCF_RESKEY_{name}": value for name, value in parameters.items()})
        return call(AGENT, action, env=env)

    def start(self, parameters: dict[str, str], timeout_s: float = 20, name: str = "p1") -> int:
        """Start it, which must succeed. Returns its pid."""
        called = self.act("start", parameters, timeout_s, name)
        assert called.rc == 0, called.err
        return self.pid(name)

    def run(self, text: str, **more: str) -> dict[str, str]:
        """Start a program in shell, with these parameters too. Returns all of them."""
        parameters = {**self.program(text), **more}
        self.start(parameters)
        return parameters

    def live(self, text: str) -> Life:
        """Start a program in shell. Returns its life."""
        life = life_of(self.start(self.program(text)))
        assert life is not None
        return life

    def stop(self, parameters: dict[str, str], timeout_s: float = 20, name: str = "p1") -> None:
        """Stop it, which must succeed and leave no process of anybody's."""
        assert self.act("stop", parameters, timeout_s, name).rc == 0
        assert self.processes() == []

    def start_unmarked(self) -> dict[str, str]:
        """A program that has dropped its mark; its parameters. Only the pid file leads to it."""
        parameters = self.program("exec env -u VM_ANYTHING sleep 60", "unmarked")
        pid = self.start(parameters)
        wait_for(lambda: b"VM_ANYTHING" not in Path(f"/proc/{pid}/environ").read_bytes())
        wait_for(lambda: os.readlink(f"/proc/{pid}/exe").endswith("sleep"))
        return parameters

    def probe(self, parameters: dict[str, str]) -> Called:
        return self.act("monitor", {**parameters, "CRM_meta_interval": "0"})

    def pidfile(self, name: str = "p1") -> Path:
        return self.run_dir / "anything" / f"{name}.pid"

    def pid(self, name: str = "p1") -> int:
        return int(self.pidfile(name).read_text().split()[0])

    def read(self, name: str) -> list[str]:
        """The lines that a program wrote to a file, once there is a whole one."""
        path = self.directory / name
        wait_for(lambda: path.exists() and path.read_text().endswith("\n"))
        return path.read_text().splitlines()

    def processes(self) -> list[int]:
        """The living processes of programs, by where they were started."""
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and self._has(entry)]

    def _has(self, entry: str) -> bool:
        try:
            return os.readlink(f"/proc/{entry}/cwd") == str(self.directory)
        except OSError:
            return False

    def close(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.processes())
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


def state_of(pid: int) -> str:
    """proc(5): one letter, Z for a zombie; empty if nobody has the pid."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""
