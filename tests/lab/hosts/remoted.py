# SPDX-License-Identifier: GPL-2.0-or-later
"""pacemaker-remoted for the hosts of a root, as Debian has it for that root's Pacemaker.

Its package conflicts with pacemaker's, so no root has both installed.
"""

from __future__ import annotations

import os

from tests.lab.hosts import unpacked

PACKAGE = "pacemaker-remote"
PROGRAM = "usr/sbin/pacemaker-remoted"


def ensure(root: str) -> str:
    """The program's path; the first time needs apt."""
    version = unpacked.version(root, "pacemaker")
    tree = unpacked.ensure(root, PACKAGE, version, [f"{PACKAGE}={version}"])
    return os.path.join(tree, PROGRAM)
