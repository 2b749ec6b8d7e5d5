# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts' disks: file systems of their own in memory, which a test can fill and nobody else has.

One is what a host writes to its root, the other one its /var/log. They are mounted outside the
hosts, so that what is on them survives a host's death.
"""

from __future__ import annotations

import os

from pmkvm.run import run
from tests.lab.errors import LabError

# Of a tmpfs: the kernel's own default.
ROOMY = "size=50%,nr_inodes=1048576"
LOGS = "upper/var/log"


def of(home: str) -> list[str]:
    """Where the file systems of a host with this directory are, in the order of mounting."""
    return [home, os.path.join(home, LOGS)]


def mount(paths: list[str]) -> None:
    for path in paths:
        os.makedirs(path, exist_ok=True)
        _must("mount", "-t", "tmpfs", "-o", f"mode=0755,{ROOMY}", "pm_kvm_lab", path)


def unmount(paths: list[str]) -> None:
    """Also if they never were, or a host that dies still lets go of them."""
    for path in reversed(paths):
        if os.path.ismount(path):
            _must("umount", "--lazy", path)


def fill(path: str) -> None:
    """As large as what is in it: not a block is left. Of a file system that is full already, too:
    what has been freed since is gone again."""
    _remount(path, full(path))


def empty(path: str) -> None:
    """Has room again."""
    _remount(path, ROOMY)


def full(path: str) -> str:
    """The option of mount for a tmpfs that has no room for more than it holds."""
    status = os.statvfs(path)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    # 0 would be without any limit.
    return f"size={max(used, status.f_frsize)}"


def nameless(path: str) -> str:
    """The option of mount for a tmpfs that has no room for a file more than it holds."""
    status = os.statvfs(path)
    return f"nr_inodes={max(status.f_files - status.f_ffree, 1)}"


def _remount(path: str, options: str) -> None:
    _must("mount", "-o", f"remount,{options}", path)


def _must(*argv: str) -> None:
    done = run(argv, timeout_s=10)
    if done.rc != 0:
        raise LabError(f"{' '.join(argv)}: {done.err.strip()}")
