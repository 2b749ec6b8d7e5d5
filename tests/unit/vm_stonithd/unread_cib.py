# SPDX-License-Identifier: GPL-2.0-or-later
"""A watch on a cluster of which nothing is known yet, and never will be."""

from __future__ import annotations

from daemons.vm_stonithd.cluster.cib_watcher import CibWatcher


class UnreadCib(CibWatcher):
    def __init__(self) -> None:
        self.seen = None
