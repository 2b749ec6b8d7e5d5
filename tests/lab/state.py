# SPDX-License-Identifier: GPL-2.0-or-later
"""The one file that names everything the lab made, written before it is made.

So `down` after a crash removes exactly that: links, namespaces, mounts, processes by their
pidfiles.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
from pathlib import Path

from pmkvm.deadline import Deadline
from pmkvm.files import write_atomically
from tests.lab.errors import LabError
from tests.lab.hosts import disks, network
from tests.lab.hosts.process import read_pidfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_DIRECTORY = "/var/tmp/pm_kvm_lab"
LOCK = "/run/lock/pm_kvm_lab.lock"


@dataclasses.dataclass(frozen=True)
class State:
    """What was asked for, and the names of what was made for it."""

    directory: str
    host_count: int
    root: str
    rsc_defaults: str
    links: list[str]
    namespaces: list[str]
    pidfiles: list[str]
    # In the order of mounting.
    mounts: list[str] = dataclasses.field(default_factory=list)

    def save(self) -> None:
        os.makedirs(self.directory, exist_ok=True)
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        write_atomically(path(self.directory), text)


def directory() -> str:
    return os.environ.get("PMKVM_LAB_DIR", DEFAULT_DIRECTORY)


def path(where: str) -> str:
    return os.path.join(where, "state.json")


def load(where: str) -> State | None:
    try:
        text = Path(path(where)).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return State(**json.loads(text))


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Only one lab on this machine; the lock ends with its holder, whatever kills it."""
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)
    with open(LOCK, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError(f"another process uses the lab: {LOCK} is held") from error
        yield


def clear(where: str) -> bool:
    """Remove everything that the state file names, and then the directory itself."""
    state = load(where)
    if state is None:
        return False
    for pidfile in state.pidfiles:
        process = read_pidfile(pidfile)
        if process is not None:
            # A host's starter takes its PID 1 with it (--kill-child), and that one all the others.
            process.kill()
    for link in state.links:
        network.remove_link(link)
    for name in state.namespaces:
        network.remove_namespace(name)
    disks.unmount(state.mounts)
    _remove_directory(where)
    return True


def _remove_directory(where: str) -> None:
    """The last mount of a dead host may take a moment to let go of its upper directory."""
    deadline = Deadline(10)
    while os.path.exists(where):
        with contextlib.suppress(OSError):
            shutil.rmtree(where)
        if deadline.expired():
            raise LabError(f"{where} cannot be removed")
        if os.path.exists(where):
            deadline.pause(0.2)
