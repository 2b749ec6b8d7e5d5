# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts of this cluster and the keys that each of them says it has."""

from __future__ import annotations

from typing import NamedTuple

from pmkvm.pacemaker import attributes, status
from pmkvm.tokens import key_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from pmkvm.tokens.key_report import Said

# vm-stonithd says its words every 5 s; clocks that agree do so within 10 s.
FRESH_S = 60.0


class Host(NamedTuple):
    """said: what its vm-stonithd said last; None if it says nothing."""

    name: str
    is_online: bool
    said: Said | None

    def silence(self, now: float) -> str:
        """Why its keys are not known, empty if they are."""
        if not self.is_online:
            return f"{self.name} is offline, so its keys are not known"
        if self.said is None:
            return f"{self.name}: vm-stonithd does not run there, so its keys are not known"
        if abs(now - self.said.up) > FRESH_S:
            return f"{self.name}: vm-stonithd has said nothing for {now - self.said.up:.0f} s"
        return ""


def query(deadline: Deadline) -> tuple[Host, ...]:
    """Every member of the cluster, online or not. Raises HaError."""
    texts = attributes.hear(key_report.ATTRIBUTE, deadline)
    members = [node for node in status.query(deadline).nodes if node.kind == "member"]
    return tuple(
        Host(node.name, node.online, key_report.parse(texts.get(node.name, "")))
        for node in sorted(members, key=lambda node: node.name)
    )
