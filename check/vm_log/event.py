# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-log tells of: a line of a log, and what happened by it. Pure.

The value of a Kind is its id: it is printed, it stands in vm-log(8), and it stays. It is a word,
since a person reads it in each line; vm-ctl's numbers are as old as the vm-ctl of 2011.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """In the order in which vm-log(8) has them."""

    STARTED = "started"
    STOPPED = "stopped"
    MOVED = "moved"
    SENT = "sent"
    FAILOVER = "failover"
    FAILED = "failed"
    DEGRADED = "degraded"
    FOUND = "found"
    PROMOTED = "promoted"
    DEMOTED = "demoted"
    PLANNED = "planned"
    MIGRATION = "migration"
    SETTING = "setting"
    HOST_JOINED = "host-joined"
    HOST_LOST = "host-lost"
    HOST_LEFT = "host-left"
    HOST_LEAVING = "host-leaving"
    PACEMAKER_STARTS = "pacemaker-starts"
    PACEMAKER_STOPS = "pacemaker-stops"
    DC = "dc"
    DC_LOST = "dc-lost"
    QUORUM = "quorum"
    QUORUM_LOST = "quorum-lost"
    FENCE_PLANNED = "fence-planned"
    FENCE_ASKED = "fence-asked"
    FENCE_DEVICE = "fence-device"
    FENCE_OK = "fence-ok"
    FENCE_FAILED = "fence-failed"
    FENCE_GIVEN_UP = "fence-given-up"
    GUEST_BANNED = "guest-banned"
    GUEST_BAN_ENDED = "guest-ban-ended"
    GUEST_KILLED = "guest-killed"
    GUEST_FENCE_WAITS = "guest-fence-waits"
    GUEST_FENCE_OK = "guest-fence-ok"
    GUEST_FENCE_NG = "guest-fence-ng"
    GUEST_REFUSED = "guest-refused"


class Line(NamedTuple):
    """at: seconds since 1970. host: who wrote it, empty where the line does not say."""

    at: float
    host: str
    program: str
    text: str


class Event(NamedTuple):
    """Empty where the log does not say.

    host: where it happened, or whom it is about. origin: where the resource was before.
    result: what an action ended with, or the new value of a setting. by: who asked, or who did it.
    """

    kind: Kind
    at: float
    log_of: str
    resource: str = ""
    host: str = ""
    origin: str = ""
    operation: str = ""
    result: str = ""
    reason: str = ""
    device: str = ""
    by: str = ""
    client: str = ""
    took_ms: str = ""
    # Of a failure that the log repeats: when it was recorded.
    recorded: str = ""
