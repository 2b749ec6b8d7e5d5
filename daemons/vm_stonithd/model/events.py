# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to a vm-stonithd: everything its machine is told. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemons.vm_stonithd.model.facts import Request, View
    from daemons.vm_stonithd.model.host_report import HostReport, Objection
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.process import Life
    from pmkvm.tokens.key_report import KeyReport


class Tick(NamedTuple):
    """Time has passed: every 0.2 s, and sooner while a fence is under way."""


class CibSeen(NamedTuple):
    """The local CIB was read. ticket: of the ReadCib that asked for it, 0 for the watch's own.

    Readings are told in the order in which they were begun. For a ticket the partition and
    managed were asked for anew too. began: the monotonic time at which the reading was begun;
    while nothing is under way and no ban is there it may be ten seconds ago. is_whole: whether they
    are of about that time. In another one they are older, and it is no news of them to anybody.
    """

    view: View
    ticket: int = 0
    began: float = float("inf")
    is_whole: bool = True


class ReportsSeen(NamedTuple):
    """All hosts' words, one's own included; a host without the attribute is not in it.

    began: the monotonic time at which this reading was begun.
    """

    reports: Mapping[str, HostReport]
    began: float


class Doubt(NamedTuple):
    """why: for this host's log, with what was seen."""

    objection: Objection
    why: str


class Looked(NamedTuple):
    """The answer to Look: all of it was seen after that action.

    lives: QEMUs of the uuid of which a thread lives. is_locked: a start holds the target's lock.
    doubt: what says that its guest is to be found elsewhere, if anything does. is_remembered: this
    host remembers that the resource's domain had this uuid.
    """

    ticket: int
    lives: tuple[Life, ...]
    is_locked: bool = False
    doubt: Doubt | None = None
    is_remembered: bool = True


class Killed(NamedTuple):
    """The Kill is over, whether or not it found the ban in place."""

    ticket: int


class Outcome(Enum):
    """How a guarded write ended. After all but DONE nobody knows before he has looked."""

    DONE = "done"
    NOT_MATCHED = "not matched"
    TIMED_OUT = "timed out"
    SENDER_GONE = "sender gone"


class Written(NamedTuple):
    """A guarded write, or a change of a role, has ended."""

    ticket: int
    outcome: Outcome


class PendingStopsSeen(NamedTuple):
    """This host's pending stops, read after the ReadPendingStops, each with its uuid's lives."""

    ticket: int
    pending_stops: Mapping[str, tuple[PendingStop, tuple[Life, ...]]]


class Arrived(NamedTuple):
    """A request of a guest of this host."""

    request: Request


class KeysSeen(NamedTuple):
    """What this host can open tokens with; told at the start and when it changes."""

    keys: tuple[KeyReport, ...]


class Terminated(NamedTuple):
    """SIGTERM: bans stand, requests stay with vm-connectd."""


Event = Union[
    Tick,
    CibSeen,
    ReportsSeen,
    Looked,
    Killed,
    Written,
    PendingStopsSeen,
    Arrived,
    KeysSeen,
    Terminated,
]
