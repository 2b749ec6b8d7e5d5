# SPDX-License-Identifier: GPL-2.0-or-later
"""Before the modules of this version are removed: waits for those who may still load some.

The programs of the version that follows are in place by then, so no new process needs these
modules. A process of ours ends soon, or has loaded all that it needs when it is SETTLED_S old
(pmkvm.whole). The package manager runs this, and waits at most so long.
"""

from __future__ import annotations

import os

from pmkvm import process, settings
from pmkvm.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.process import Life

# Twice the timeout of a monitor (30 s).
SETTLED_S = 60.0
_POLL_S = 0.1
# The first words of a command line tell.
_CMDLINE_BYTES = 4096
# Every program of ours is started with these options of Python's, and hardly anybody else is.
_OPTIONS = b"-IS"


def young() -> list[Life]:
    """The processes of Python with our options that may not have loaded all that they need."""
    pids = (int(name) for name in os.listdir(settings.PROC) if name.isdecimal())
    lives = (process.life_of(pid) for pid in pids if _is_ours(pid))
    return [life for life in lives if life is not None and process.age_s(life) < SETTLED_S]


def wait() -> bool:
    """Whether none of them is left."""
    deadline = Deadline(SETTLED_S)
    waited_for = young()
    while waited_for and not deadline.expired():
        deadline.pause(_POLL_S)
        waited_for = [life for life in waited_for if _may_load(life)]
    return not waited_for


def _may_load(life: Life) -> bool:
    is_there = process.life_of(life.pid) == life and not process.is_zombie(life.pid)
    return is_there and process.age_s(life) < SETTLED_S


def _is_ours(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        with open(f"{settings.PROC}/{pid}/cmdline", "rb") as file:
            words = file.read(_CMDLINE_BYTES).split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return len(words) > 1 and words[1] == _OPTIONS
