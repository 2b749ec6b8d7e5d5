# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with disks, an attrd that notes what it is told, and diskd as its agent calls it.

The processes are real. A disk is a file; one that stalls stops whoever reads or writes it, before
it answers. Disks of this kind let go of a process that is killed; tests/tools has others.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.diskd import daemon
from agents.diskd.agent import AGENT
from daemons.diskd import prober
from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.service import status_socket
from tests import tree
from tests.unit.ocf.sample import call
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    import pytest

    from tests.unit.ocf.sample import Called

PROGRAM = """\
#!{python} -BI
import os, signal, sys
sys.path[:0] = {path!r}
from pmkvm import settings
settings.RUN_DIR = {run_dir!r}
settings.CHILD_ENVIRONMENT["PATH"] = {tools!r}
from daemons.diskd import attribute, disk_io
attribute.RETRY_S = 0.05
attribute.FIRST_S = {first_s}
attribute.REPEAT_S = {repeat_s}
def stalling(real):
    def io(path):
        if os.path.exists({stall!r}):
            os.kill(os.getpid(), signal.SIGSTOP)
        return real(path)
    return io
disk_io.read, disk_io.write = stalling(disk_io.read), stalling(disk_io.write)
from daemons.diskd.main import main
sys.exit(main())
"""
ATTRD_UPDATER = """\
#!/bin/sh
while [ -e "{hang}" ]; do sleep 0.05; done
if [ -e "{down}" ]; then echo "Could not connect" >&2; exit 102; fi
echo "$*" >>"{told}"
"""


class World:
    """is stalled, down (attrd) and hanging (attrd) by files of these names."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch, first_s: float = 60.0) -> None:
        self.directory = directory
        self.disk = self.path("disk")
        self.disk.write_bytes(bytes(1 << 16))
        tools = directory / "tools"
        tools.mkdir()
        attrd_updater = tools / "attrd_updater"
        names = {name: self.path(name) for name in ("hang", "down", "told")}
        attrd_updater.write_text(ATTRD_UPDATER.format(**names))
        attrd_updater.chmod(0o755)
        path = f"{tools}:{settings.CHILD_ENVIRONMENT['PATH']}"
        patch.setattr(settings, "RUN_DIR", str(directory / "run"))
        patch.setattr(settings, "CHILD_ENVIRONMENT", {**settings.CHILD_ENVIRONMENT, "PATH": path})
        self.program = self.path("diskd")
        self._tools = path
        self.write_program(first_s=first_s)
        patch.setattr(daemon, "PROGRAM", str(self.program))
        patch.setattr(prober, "own_program", lambda: [str(self.program)])

    def write_program(self, first_s: float = 60.0, repeat_s: float = 30.0) -> None:
        text = PROGRAM.format(
            python=sys.executable,
            path=[str(tree.ROOT)],
            run_dir=settings.RUN_DIR,
            tools=self._tools,
            stall=str(self.path("stall")),
            first_s=first_s,
            repeat_s=repeat_s,
        )
        self.program.write_text(text)
        self.program.chmod(0o755)

    def path(self, name: str) -> Path:
        return self.directory / name

    @contextlib.contextmanager
    def file(self, name: str) -> Any:
        self.path(name).touch()
        try:
            yield
        finally:
            self.path(name).unlink()

    def act(self, action: str, **parameters: str) -> Called:
        """One action on the disk, unless the parameters say otherwise."""
        if not {"device", "write_dir"} & set(parameters):
            parameters["device"] = str(self.disk)
        env = {"OCF_RESOURCE_INSTANCE": "diskCheck1:0"}
        env["OCF_RESKEY_CRM_meta_timeout"] = "60000"
        env["OCF_RESKEY_CRM_meta_globally_unique"] = "false"
        env.update({f"OCF_RESKEY_{name}": value for name, value in parameters.items()})
        return call(AGENT, action, env=env)

    def told(self) -> list[str]:
        """What attrd has taken, in order."""
        path = self.path("told")
        return path.read_text().splitlines() if path.exists() else []

    def value(self, name: str = "diskd") -> str:
        """The attribute's, by what attrd was told last."""
        words = self.told()[-1].split() if self.told() else [""]
        assert words[0] == f"--name={name}" or not self.told()
        option, _equals, value = words[-2].partition("=") if self.told() else ("", "", "")
        return value if option in ("--update", "--update-both") else ""

    def status(self, name: str = "diskd") -> dict[str, Any]:
        text = status_socket.ask("diskd", settings.diskd_socket(name), Deadline(60))
        said: dict[str, Any] = json.loads(text)
        return said

    def processes(self) -> list[int]:
        """Whoever runs the program, by its path among the arguments."""
        return [int(each) for each in os.listdir("/proc") if each.isdigit() and self._is(each)]

    def _is(self, pid: str) -> bool:
        with contextlib.suppress(OSError):
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return os.fsencode(self.program) in argv
        return False

    def close(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually("all have ended", lambda: not self.processes())
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
