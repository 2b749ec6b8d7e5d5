# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hosts' logs have gained in a round."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.lab.cluster import stonith
from tests.lab.cluster.cluster import LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab

KEPT = (LOG, stonith.LOG, "/var/log/vm-connectd.log", "/var/log/cluster/corosync.log")


class Logs:
    """From now on."""

    def __init__(self, lab: Lab) -> None:
        self._hosts = [(host.name, host.upper) for host in lab.hosts]
        self._sizes = {upper + log: _size(upper + log) for _, upper in self._hosts for log in KEPT}

    def lines(self, log: str) -> dict[str, list[str]]:
        """What each host has written to that one since then."""
        return {name: self._since(upper + log).splitlines() for name, upper in self._hosts}

    def keep(self, directory: str) -> None:
        """All of it as files, by which a round can be explained later."""
        os.makedirs(directory, exist_ok=True)
        for name, upper in self._hosts:
            for log in KEPT:
                path = Path(directory, f"{name}-{os.path.basename(log)}")
                path.write_text(self._since(upper + log), encoding="utf-8")

    def _since(self, path: str) -> str:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            file.seek(self._sizes[path])
            return file.read().decode("utf-8", "replace")
        return ""


def _size(path: str) -> int:
    with contextlib.suppress(FileNotFoundError):
        return os.path.getsize(path)
    return 0
