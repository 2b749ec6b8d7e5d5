# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's node attributes, as the cluster's decisions see them: those in the CIB's status.

One tool tells them all. What it has told is kept for a while: many guests ask.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from pmkvm.deadline import Deadline
from pmkvm.pacemaker import resource, tools
from pmkvm.pacemaker.errors import BadAnswerError, ExitCode

if TYPE_CHECKING:
    from pmkvm.service.thread_calls import ThreadCalls

# A host with a hundred guests starts one tool in this time, and not twenty.
KEPT_S = 5.0
ASK_S = 3.0

# Between quotation marks in an XPath. It is root's own text, in corosync.conf.
_NODE = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)


class HostNode:
    """name: empty until it is known. state: what became of the last question."""

    def __init__(self, calls: ThreadCalls) -> None:
        self.name = ""
        self._calls = calls
        self._known: dict[str, str] = {}
        self._known_at = float("-inf")

    async def attributes(self) -> dict[str, str]:
        """At most KEPT_S old. Raises HaError and OSError."""
        began = time.monotonic()
        if began - self._known_at > KEPT_S:
            what = "reading this host's attributes"
            self._known = await self._calls.call(what, self._read, ASK_S)
            self._known_at = began
        return self._known

    def _read(self) -> dict[str, str]:
        deadline = Deadline(ASK_S)
        if not self.name:
            name = resource.local_node(deadline)
            if not _NODE.fullmatch(name):
                raise BadAnswerError(f"this host's name in the cluster can't be used: {name!r}")
            self.name = name
        path = f"//node_state[@uname='{self.name}']/transient_attributes"
        argv = ("cibadmin", "--query", "--local", f"--xpath={path}")
        done = tools.call(argv, deadline, also_fine=(ExitCode.NOSUCH,))
        return parse(done.out) if done.rc == 0 else {}


def parse(answer: str) -> dict[str, str]:
    """By name; those without a value are not there. Raises BadAnswerError."""
    pairs = tools.parsed(answer, "cibadmin").iter("nvpair")
    found = {pair.get("name", ""): pair.get("value", "") for pair in pairs}
    return {name: value for name, value in found.items() if name and value}
