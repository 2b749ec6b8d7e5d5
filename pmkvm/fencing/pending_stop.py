# SPDX-License-Identifier: GPL-2.0-or-later
"""Pending stops: this host's memory that a life is over because of a ban, until Pacemaker has
stopped it.

One file for each resource under /run, replaced as a whole. VirtualDomain writes, reads and settles
them; vm-stonithd writes, touches and removes them. Light: a recurring monitor loads this.

Nobody's life depends on one. Where it can't be written, vm-stonithd keeps it in its memory, and a
monitor that finds its guest dead asks this host's CIB for the ban itself.
"""

from __future__ import annotations

import os

from pmkvm import files, settings
from pmkvm.errors import is_exhaustion
from pmkvm.light_types import NamedTuple
from pmkvm.process import Life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

# Untouched for so long no vm-stonithd cares for it: void.
UNTOUCHED_S = 300.0

# By which a pending stop is told from a file that is being written.
_SUFFIX = ".debt"
# Five lines.
_LONGEST = 65536


class PendingStop(NamedTuple):
    """stamp is CLOCK_MONOTONIC when it was written or touched; life None: "not started"."""

    ban_id: str
    uuid: str
    life: Life | None
    stamp: float

    def is_void(self, living: Collection[Life], now: float) -> bool:
        """Beside a living QEMU that is not that life, or forgotten by everybody."""
        if any(life != self.life for life in living):
            return True
        # A stamp ahead of the clock can't be of this boot.
        return not 0 <= now - self.stamp < UNTOUCHED_S

    def is_for(self, life: Life) -> bool:
        """Whether a stop of this very life is owed."""
        return self.life == life

    def is_older_than(self, life: Life | None) -> bool:
        """Whether that is a later life: one began after this was owed, so it was settled."""
        if self.life is None or life is None:
            return False
        return life.start_time > self.life.start_time


def load(resource: str) -> PendingStop | None:
    """The pending stop; None if there is none, or none that can be read and understood.

    Raises OSError where this process has no descriptor or memory to look.
    """
    try:
        text = files.read_text(_path(resource))
    except (OSError, ValueError) as error:
        if is_exhaustion(error):
            raise
        return None
    return None if text is None else _parse(text)


def store(resource: str, pending_stop: PendingStop) -> None:
    """Replaces an older one. Raises OSError."""
    lines = [_stamp(pending_stop.stamp), f"ban={pending_stop.ban_id}", f"uuid={pending_stop.uuid}"]
    if pending_stop.life is not None:
        lines += [f"pid={pending_stop.life.pid}", f"start_time={pending_stop.life.start_time}"]
    os.makedirs(directory(), mode=0o700, exist_ok=True)
    files.write_atomically(_path(resource), "".join(f"{line}\n" for line in lines))


def touch(resource: str, pending_stop: PendingStop, now: float) -> bool:
    """Keep it from being forgotten; False if it was settled or replaced meanwhile.

    Written into the very file that was read: one that a stop removes in between stays removed.
    Raises OSError.
    """
    try:
        descriptor = os.open(_path(resource), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    with os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace") as file:
        if _parse(file.read(_LONGEST)) != pending_stop:
            return False
        os.pwrite(file.fileno(), _stamp(now).encode(), 0)
    return True


def remove(resource: str) -> None:
    """Paid, or void; one that is not there is no error. Raises OSError if it stays."""
    files.remove(_path(resource))


def resources() -> list[str]:
    """Whose pending stops this host remembers. Raises OSError if that can't be listed."""
    try:
        names = os.listdir(directory())
    except FileNotFoundError:
        return []
    ours = (name[: -len(_SUFFIX)] for name in names if name.endswith(_SUFFIX))
    return sorted(name.replace("%2F", "/").replace("%25", "%") for name in ours)


def directory() -> str:
    """Root only, and gone with the host's next boot."""
    return os.path.join(settings.RUN_DIR, "debts")


def _path(resource: str) -> str:
    """A resource's id may hold anything but must not leave the directory."""
    plain = resource.replace("%", "%25").replace("/", "%2F")
    return os.path.join(directory(), plain + _SUFFIX)


def _stamp(seconds: float) -> str:
    """The first line, always of one length, so that touch() changes nothing else. Never ahead of
    the clock, as a rounded one might be: a reader would take it for another boot's."""
    nearest = round(seconds, 3)
    return f"stamp={nearest - 0.001 if nearest > seconds else nearest:018.3f}"


def _parse(text: str) -> PendingStop | None:
    try:
        fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        life = Life(int(fields["pid"]), int(fields["start_time"])) if "pid" in fields else None
        return PendingStop(fields["ban"], fields["uuid"], life, float(fields["stamp"]))
    except (KeyError, ValueError):
        return None
