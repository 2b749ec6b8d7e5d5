# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU's helpers (virtiofsd, swtpm and the like), which may write after it can't any more.

Two witnesses, both libvirt's: pid files under its run directory whose names begin with the
domain's short name, ID-NAME, and the scope of the domain in the control groups. A process that
began after its pid file was written is somebody else, and where QEMU shares its control group
with libvirtd itself, as in a container, that tells nothing.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pmkvm import process, settings
from pmkvm.errors import is_exhaustion
from pmkvm.virt import qemu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.process import Life

# The directory of the domain in QEMU's command line: /var/lib/libvirt/qemu/domain-13-guest2/...
_SHORT_NAME = re.compile(rb"/domain-([0-9]+-[^/\0]+)/")
# What libvirt calls a domain's own group: with systemd (escaped), and without.
_GROUP = re.compile(
    r"(.*/(?:machine-qemu\\x2d[0-9]+\\x2d[^/]+\.scope|qemu-[0-9]+-[^/]+\.libvirt-qemu))(?:/|$)"
)
# File systems round times.
_ROUNDING_S = 1.0


def of(life: Life) -> set[Life]:
    """Of a QEMU of which a thread lives; it is not in it itself. Raises OSError."""
    pids = {*_from_pid_files(life.pid), *_from_group(life.pid)} - {life.pid, os.getpid(), 1}
    lives = (process.life_of(pid) for pid in pids)
    return {each for each in lives if each is not None}


def _from_pid_files(pid: int) -> Iterator[int]:
    match = _SHORT_NAME.search(qemu.command_line(pid))
    if match is None:
        return
    short = os.fsdecode(match[1])
    for directory, _directories, names in os.walk(settings.LIBVIRT_PID_DIR, onerror=_pass_on):
        for name in names:
            if name.startswith(f"{short}-") and name.endswith(".pid"):
                found = _read_pid_file(os.path.join(directory, name))
                if found:
                    yield found


def _read_pid_file(path: str) -> int:
    """0 if it names nobody, or somebody who came later. Raises OSError if nobody can look."""
    try:
        written = os.stat(path).st_mtime
        with open(path, encoding="ascii") as file:
            pid = int(file.read(32))
    except OSError as error:
        _pass_on(error)
        return 0
    except ValueError:
        return 0
    life = process.life_of(pid) if pid > 1 else None
    if life is None or _began(life) > written + _ROUNDING_S:
        return 0
    return pid


def _began(life: Life) -> float:
    """As a time of day."""
    with open("/proc/stat", encoding="ascii") as file:
        boot = next(float(line.split()[1]) for line in file if line.startswith("btime "))
    return boot + life.start_time / os.sysconf("SC_CLK_TCK")


def _from_group(pid: int) -> Iterator[int]:
    try:
        with open(f"{settings.PROC}/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return
    for line in lines:
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        match = _GROUP.match(path)
        if match:
            mount = os.path.join(settings.CGROUP, controllers.replace("name=", ""))
            yield from _members(mount.rstrip("/") + match[1])


def _members(group: str) -> Iterator[int]:
    for directory, _directories, names in os.walk(group, onerror=_pass_on):
        if "cgroup.procs" in names:
            with open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as file:
                yield from (int(word) for word in file.read().split())


def _pass_on(error: OSError) -> None:
    """What is not there any more names nobody. A host that can't look says nothing."""
    if is_exhaustion(error):
        raise error
