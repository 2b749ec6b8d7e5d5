# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom Pacemaker answers: root, and members of its own group."""

from __future__ import annotations

import os

GROUP = "haclient"


def complaint() -> str:
    """Why Pacemaker answers nothing that this process asks; empty if it may ask."""
    import grp
    import pwd

    uid = os.geteuid()
    if uid == 0:
        return ""
    try:
        if grp.getgrnam(GROUP).gr_gid in (os.getegid(), *os.getgroups()):
            return ""
    except KeyError:
        # Pacemaker is not installed, or built with another group.
        return ""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return f"Pacemaker answers only root and the group {GROUP}; {name} is neither"
