# SPDX-License-Identifier: GPL-2.0-or-later
"""Control groups in which nothing can begin: no process, no thread (the pids controller)."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from pmkvm.deadline import Deadline
from tests.lab.errors import LabError

MOUNTED = "/sys/fs/cgroup"
END_S = 10.0


class Barren:
    """A group whose members start nothing. Whoever wants to is refused (EAGAIN), and counted."""

    def __init__(self, name: str) -> None:
        self._parent = _own_group()
        self._path = os.path.join(self._parent, name)

    @property
    def door(self) -> str:
        """The file that takes the number of a process which joins; the same in the hosts."""
        return os.path.join(self._path, "cgroup.procs")

    def make(self) -> None:
        os.makedirs(self._path, exist_ok=True)
        # Who joins is let in, however many there are.
        self._write("pids.max", "0")

    def join(self, pid: int) -> None:
        """With all its threads."""
        self._write("cgroup.procs", str(pid))

    def refused(self) -> int:
        """How often a member was refused since the group was made."""
        text = Path(self._path, "pids.events").read_text(encoding="ascii")
        return int(text.split()[1])

    def release(self) -> None:
        """Its members go where the lab is, and may start what they want; the group is gone."""
        deadline = Deadline(END_S)
        while os.path.isdir(self._path):
            self._write("pids.max", "max")
            for pid in Path(self.door).read_text(encoding="ascii").split():
                # It may have ended.
                with contextlib.suppress(ProcessLookupError):
                    Path(self._parent, "cgroup.procs").write_text(pid, encoding="ascii")
            with contextlib.suppress(OSError):
                os.rmdir(self._path)
                return
            if deadline.expired():
                raise LabError(f"{self._path} can't be removed")
            deadline.pause(0.05)

    def _write(self, name: str, text: str) -> None:
        Path(self._path, name).write_text(text, encoding="ascii")


def _own_group() -> str:
    """This process's group with the pids controller, of either version. Raises LabError."""
    text = Path("/proc/self/cgroup").read_text(encoding="ascii")
    old = re.search(r"(?m)^\d+:([^:]*,)?pids(?:,[^:]*)?:(.*)$", text)
    if old is not None:
        return os.path.join(MOUNTED, "pids", old[2].lstrip("/")).rstrip("/")
    new = re.search(r"(?m)^0::(.*)$", text)
    path = os.path.join(MOUNTED, "" if new is None else new[1].lstrip("/")).rstrip("/")
    try:
        Path(path, "cgroup.subtree_control").write_text("+pids", encoding="ascii")
    except OSError as error:
        raise LabError(f"no pids controller in {path}: {error}") from error
    return path
