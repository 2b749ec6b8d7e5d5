# SPDX-License-Identifier: GPL-2.0-or-later
"""Uuids of domains by their definitions on this host, each file read again when it changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daemons.vm_stonithd import processes

if TYPE_CHECKING:
    from collections.abc import Mapping


class Definitions:
    """Asked in threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def uuid(self, path: str) -> str:
        """Empty if none can be told."""
        try:
            status = os.stat(path)
        except OSError:
            return ""
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, _uuid_in(path))
        return known[1]

    def of(self, uuid: str, configs: Mapping[str, str]) -> list[str]:
        """Whose it is: the resources, by the paths of their definitions. One as a rule."""
        return sorted(each for each, path in configs.items() if uuid and self.uuid(path) == uuid)


def _uuid_in(path: str) -> str:
    identity = processes.identity_of(path)
    return "" if identity is None else identity.uuid
