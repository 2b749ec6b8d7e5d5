# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host notes about the disks of a guest while it lives here, to see when they change."""

from __future__ import annotations

import time

from pmkvm import files
from pmkvm.errors import is_exhaustion
from pmkvm.light_types import NamedTuple
from pmkvm.virt import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context

# How often the other hosts are asked while nothing changes here.
_ASK_EVERY_S = 600.0


class NotedDisks(NamedTuple):
    """Of one life: the digests of the disks that it came with, or on which all hosts have agreed
    since, and when the others were asked last (monotonic, 0: never)."""

    life: str
    digests: tuple[str, ...]
    asked: int = 0

    @property
    def is_old(self) -> bool:
        """Whether the other hosts' definitions may be others by now."""
        return not self.asked or not 0 <= time.monotonic() - self.asked < _ASK_EVERY_S


def load(context: Context) -> NotedDisks | None:
    """None if nothing is noted of this life."""
    try:
        words = (files.read_text(_path(context)) or "").split()
        noted = NotedDisks(words[0], tuple(words[2:]), int(words[1]))
    except (OSError, ValueError, IndexError) as error:
        if is_exhaustion(error):
            raise
        return None
    return noted if noted.life == _life(context) else None


def store(context: Context, digests: tuple[str, ...], *, is_asked: bool = False) -> None:
    """is_asked: the other hosts were asked just now, and nothing was wrong."""
    asked = int(time.monotonic()) if is_asked else 0
    text = " ".join((_life(context), str(asked), *digests))
    try:
        record.make_directory()
        files.write_atomically(_path(context), f"{text}\n")
    except OSError as error:
        context.log.debug(f"the disks are not noted: {error}")


def _life(context: Context) -> str:
    """Whatever tells this run of the guest from the next."""
    found = record.load(context.instance)
    life = found.life if found is not None else None
    return f"{life.pid}.{life.start_time}" if life is not None else "unknown"


def _path(context: Context) -> str:
    return record.path_beside(context.instance, "disks")
