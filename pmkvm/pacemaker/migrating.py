# SPDX-License-Identifier: GPL-2.0-or-later
"""Which resources are under way from one node to another, by the operations' history. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# The result of an operation that is under way (PCMK_OCF_UNKNOWN).
PENDING = "193"


def resources(root: Element) -> set[str]:
    """Of a whole CIB: what has left a node, or is about to, and has not arrived on the other."""
    last = {
        (node.get("uname"), str(entry.get("id"))): last_change(entry)
        for node in root.iterfind("status/node_state")
        for entry in node.iter("lrm_resource")
    }
    return {
        name
        for (node, name), op in last.items()
        if op.get("operation") == "migrate_to"
        and op.get("rc-code") in ("0", PENDING)
        and not _is_arrival(last.get((op.get("migrate_target"), name)), node)
    }


def last_change(history: Element) -> Element:
    """Its latest operation, or itself for none. A monitor moves nothing."""
    found = [op for op in history if op.get("operation") != "monitor"]

    def age(op: Element) -> tuple[bool, int]:
        # One that is under way has no call-id yet.
        return op.get("rc-code") == PENDING, int(op.get("call-id", "0"))

    return max(found, key=age, default=history)


def _is_arrival(op: Element | None, origin: str | None) -> bool:
    """Whether that is the end of a migration from there."""
    if op is None or op.get("operation") != "migrate_from":
        return False
    return op.get("rc-code") == "0" and op.get("migrate_source") == origin
