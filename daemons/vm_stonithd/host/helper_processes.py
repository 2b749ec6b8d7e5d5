# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU's helpers (virtiofsd, swtpm and the like), which may write after it can't any more.

Two witnesses, both libvirt's: pid files under its run directory whose names begin with the
domain's short name, ID-NAME, and the scope of the domain in the control groups. Where QEMU shares
its control group with libvirtd itself, as in a container, that tells nothing.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pmkvm import files, process, settings
from pmkvm.errors import is_exhaustion
from pmkvm.virt import machine_scope, pid_file, qemu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.process import Life

# The directory of the domain in QEMU's command line: /var/lib/libvirt/qemu/domain-13-guest2/...
_SHORT_NAME = re.compile(rb"/domain-([0-9]+-[^/\0]+)/")
# A host of a thousand guests has some ten thousand files there.
_MOST_FILES = 100_000
# A number and a line break for each process of a group.
_LONGEST_MEMBERS = 1 << 20


def of(life: Life) -> set[Life]:
    """Of a QEMU of which a thread lives; it is not in it itself. Raises OSError."""
    pids = {*_from_pid_files(life), *_from_group(life.pid)} - {life.pid, os.getpid(), 1}
    lives = (process.life_of(pid) for pid in pids)
    return {each for each in lives if each is not None}


def _from_pid_files(life: Life) -> Iterator[int]:
    short = _short_name(life)
    if not short:
        return
    files_seen = 0
    for directory, directories, names in os.walk(settings.LIBVIRT_PID_DIR, onerror=_pass_on):
        if directory != settings.LIBVIRT_PID_DIR:
            # libvirt makes one level of directories, each a helper's kind; some are a user's own.
            directories.clear()
        for name in names[: _MOST_FILES - files_seen]:
            files_seen += 1
            if name.startswith(f"{short}-") and name.endswith(".pid"):
                found = pid_file.read(os.path.join(directory, name))
                if found is not None:
                    yield found.pid


def _short_name(life: Life) -> str:
    """By its command line, but never of a domain whose QEMU libvirt says that it is not."""
    match = _SHORT_NAME.search(qemu.command_line(life.pid))
    if match is None:
        return ""
    short, domain = os.fsdecode(match[1]), pid_file.domain_of(life)
    is_its_own = domain is None or domain.startswith(short.partition("-")[2])
    return short if is_its_own else ""


def _from_group(pid: int) -> Iterator[int]:
    for group in machine_scope.of(pid):
        mount = os.path.join(settings.CGROUP, group.controllers)
        yield from _members(mount.rstrip("/") + group.path)


def _members(group: str) -> Iterator[int]:
    for directory, _directories, names in os.walk(group, onerror=_pass_on):
        if "cgroup.procs" in names:
            text = files.read_beginning(os.path.join(directory, "cgroup.procs"), _LONGEST_MEMBERS)
            # The last line may be cut off.
            yield from (int(line) for line in text.splitlines(keepends=True) if line[-1:] == b"\n")


def _pass_on(error: OSError) -> None:
    """What is not there any more names nobody. A host that can't look says nothing."""
    if is_exhaustion(error):
        raise error
