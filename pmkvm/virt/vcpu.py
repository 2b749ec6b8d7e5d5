# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a guest has ever run: its virtual CPUs are threads of its QEMU, and the kernel counts
their time, whatever libvirt says or does not say.

QEMU names these threads "CPU 0/KVM" and "CPU 0/TCG", "ALL CPUs/TCG" where one emulates them all.
Paused from the beginning such a thread has used 0.2 to 1.4 ms, and uses no more; resumed, more
than 14 ms within 50 ms (measured, QEMU 7.2).
"""

from __future__ import annotations

import os

from pmkvm import process, settings
from pmkvm.virt import qemu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.process import Life

_NAMES = ("CPU ", "ALL CPUs")
_RAN_S = 0.05
# Fields of /proc/PID/task/TID/stat after the thread's name (proc(5)): time in user mode, in the
# kernel. A guest's time is part of the first.
_USER_FIELD, _KERNEL_FIELD = 11, 12


def have_run(life: Life) -> bool:
    """True also when that can't be told: of a QEMU that was not asked to name its threads."""
    if b"debug-threads=on" not in qemu.command_line(life.pid):
        return True
    ran = _RAN_S * os.sysconf("SC_CLK_TCK")
    return any(ticks >= ran for ticks in _ticks(f"{settings.PROC}/{life.pid}/task"))


def _ticks(threads: str) -> list[int]:
    """Of each virtual CPU, none before QEMU has made them and after the end of all."""
    found = []
    for thread in _names(threads):
        # QEMU's workers come and go.
        name, fields = process.stat(f"{threads}/{thread}")
        if name.startswith(_NAMES):
            found.append(int(fields[_USER_FIELD]) + int(fields[_KERNEL_FIELD]))
    return found


def _names(threads: str) -> list[str]:
    try:
        return os.listdir(threads)
    except (FileNotFoundError, ProcessLookupError):
        return []
