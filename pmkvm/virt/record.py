# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host remembers about a resource's domain, until its next boot.

Written when a guest starts or arrives, so that its truth can be told when its definition is
gone, and read by whoever must find the guest's process. One file for each resource, replaced
atomically, and a lock beside it, held by start while a guest comes into being.

A help, and no witness: what QEMU does decides. Who can't read a record goes on without it.
"""

from __future__ import annotations

import os

from pmkvm import files, settings
from pmkvm.errors import is_exhaustion
from pmkvm.light_types import IntEnum, NamedTuple
from pmkvm.process import Life
from pmkvm.virt.identity import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.deadline import Deadline


class Stage(IntEnum):
    """How far a start has come.

    CREATING: a QEMU of this domain that has never run is nobody's guest yet. If the lock is free
    its start was killed, and the QEMU is an abandoned create to be killed: libvirt may carry out
    the create minutes after its caller died. RESTORING: the same, of a guest whose memory was
    saved. RESUMING: its CPUs may run; with the lock free, one whose CPUs never did is abandoned as
    well. RUNNING: started.
    """

    CREATING = 1
    RESUMING = 2
    RUNNING = 3
    RESTORING = 4


class Record(NamedTuple):
    """A resource's domain and, once it has one, its life."""

    identity: Identity
    stage: Stage
    life: Life | None = None

    @property
    def is_being_created(self) -> bool:
        """Whether a start has not come as far as a guest, or was killed before."""
        return self.stage in (Stage.CREATING, Stage.RESTORING)

    @property
    def is_starting(self) -> bool:
        """Whether no start has come to its end: also where its CPUs may or may not have run."""
        return self.stage != Stage.RUNNING


_STAGES = {
    stage.name.lower(): stage
    for stage in (Stage.CREATING, Stage.RESTORING, Stage.RESUMING, Stage.RUNNING)
}


def load(resource: str) -> Record | None:
    """What is remembered; None if nothing is, or nothing that can be read and understood.

    Raises OSError where this process has no descriptor or memory to look.
    """
    try:
        text = files.read_text(_path(resource))
        if text is None:
            return None
        fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        life = Life(int(fields["pid"]), int(fields["start_time"])) if "pid" in fields else None
        identity = Identity(fields["name"], fields["uuid"], fields["kind"] == "qemu")
        return Record(identity, _STAGES[fields["stage"]], life)
    except (OSError, KeyError, ValueError) as error:
        if is_exhaustion(error):
            raise
        return None


def every() -> Iterator[Record]:
    """All that is remembered. Raises as load()."""
    try:
        names = os.listdir(settings.domain_run_dir())
    except OSError as error:
        if is_exhaustion(error):
            raise
        return
    for name in names:
        # A path_beside() holds no record, and is read in vain.
        found = load(name.replace("%2F", "/").replace("%25", "%"))
        if found is not None:
            yield found


def of_life(life: Life) -> Identity | None:
    """The domain that this life is remembered for; None if it is for none. Raises as load()."""
    return next((one.identity for one in every() if one.life == life), None)


def store(resource: str, record: Record) -> None:
    """Remember. Raises OSError; a domain's name holds no line break (libvirt refuses it)."""
    lines = [
        f"name={record.identity.name}",
        f"uuid={record.identity.uuid}",
        f"kind={'qemu' if record.identity.is_qemu else 'other'}",
        f"stage={record.stage.name.lower()}",
    ]
    if record.life is not None:
        lines += [f"pid={record.life.pid}", f"start_time={record.life.start_time}"]
    make_directory()
    files.write_atomically(_path(resource), "".join(f"{line}\n" for line in lines))


def forget(resource: str) -> None:
    """Raises OSError if it stays."""
    files.remove(_path(resource))


def lock(resource: str, deadline: Deadline) -> files.Lock:
    """The resource's lock on this host, for a start of it alone: see pmkvm.virt.starting."""
    make_directory()
    return files.Lock(lock_path(resource), deadline)


def lock_path(resource: str) -> str:
    return path_beside(resource, "lock")


def path_beside(resource: str, what: str) -> str:
    """Of another file about the resource."""
    # No resource's own file is named so: see _path.
    return f"{_path(resource)}%{what}"


def make_directory() -> None:
    """Of these files, if it is not there. Raises OSError."""
    os.makedirs(settings.domain_run_dir(), mode=0o700, exist_ok=True)


def _path(resource: str) -> str:
    """A resource's id may hold anything but must not leave the directory."""
    return os.path.join(settings.domain_run_dir(), resource.replace("%", "%25").replace("/", "%2F"))
