# SPDX-License-Identifier: GPL-2.0-or-later
"""The last fence of each host, as Pacemaker remembers it. Times are of this host's zone, or say
theirs.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from check.vm_check.facts import Fence

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# "2026-12-02 08:30:00.123456Z", or "2026-12-02 08:30:00 +01:00".
_DAY_AND_TIME = 19


def last(crm_mon: Element) -> dict[str, Fence]:
    """By the host that was fenced."""
    found: dict[str, Fence] = {}
    for event in crm_mon.iterfind("fence_history/fence_event"):
        at, target = seconds(event.get("completed", "")), event.get("target", "")
        if at and (target not in found or at > found[target].at):
            found[target] = Fence(at, event.get("status", ""))
    return found


def seconds(text: str) -> float:
    """Since 1970; 0 for what is no time, as of a fence under way."""
    zone = text[_DAY_AND_TIME:].lstrip(".0123456789").strip()
    offset = "+00:00" if zone == "Z" else zone
    try:
        return datetime.fromisoformat(f"{text[:_DAY_AND_TIME]}{offset}").timestamp()
    except ValueError:
        return 0.0
