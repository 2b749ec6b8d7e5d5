# SPDX-License-Identifier: GPL-2.0-or-later
"""The control group that libvirt makes for a domain: root alone puts a process into it.

With systemd a scope (its name escaped), without it a directory. A user can make groups of any name
too, but only below his own slice, or below the service or the scope that was given to him.
"""

from __future__ import annotations

import re

from pmkvm import files, settings
from pmkvm.light_types import NamedTuple

_GROUP = re.compile(
    r"((?:/(?!user\.slice/)[^/]+(?<!\.service)(?<!\.scope))*"
    r"/(?:machine-qemu\\x2d[0-9]+\\x2d[^/]+\.scope|qemu-[0-9]+-[^/]+\.libvirt-qemu))(?:/|$)"
)
# A line for each hierarchy, of which a kernel has some ten, with a path.
_LONGEST = 65536


class Group(NamedTuple):
    """Below the mount of these controllers; empty for the one hierarchy of cgroup v2."""

    controllers: str
    path: str


def of(pid: int) -> list[Group]:
    """The groups of a domain that the process is in; none for any other process."""
    try:
        lines = files.read_beginning(f"{settings.PROC}/{pid}/cgroup", _LONGEST).decode(
            errors="replace"
        )
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = []
    for line in lines.splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        match = _GROUP.match(path)
        if match:
            found.append(Group(controllers.replace("name=", ""), match[1]))
    return found
