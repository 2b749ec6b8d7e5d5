# SPDX-License-Identifier: GPL-2.0-or-later
"""What a vm-stonithd's machine wants done, in the order given; none of it is waited for. Pure.

An action with a ticket is answered by an event with the same ticket, whatever becomes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    from daemons.vm_stonithd.model.facts import Sender
    from daemons.vm_stonithd.model.host_report import Done, HostReport
    from pmkvm.fencing.ban import Ban
    from pmkvm.fencing.guard import Histories
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.fencing.record import Record
    from pmkvm.process import Life


class ReadCib(NamedTuple):
    """Read the local CIB, the partition and managed anew -> CibSeen."""

    ticket: int


class CreateBan(NamedTuple):
    """guard.create -> Written. Immediately before it the sender's pidfd must be unreadable.

    calls: of the view that this was decided on.
    """

    ticket: int
    ban: Ban
    read: Histories
    replaced: Ban | None
    sender: Sender


class RewriteBan(NamedTuple):
    """guard.rewrite: renewal (sender None), takeover, off under a reset -> Written."""

    ticket: int
    old: Ban
    new: Ban
    sender: Sender | None = None


class SettleBan(NamedTuple):
    """guard.settle -> Written."""

    ticket: int
    ban: Ban
    call_id: int
    replaced: Ban | None


class RemoveBan(NamedTuple):
    """guard.remove -> Written, DONE also when nothing matched: the machine reads it back."""

    ticket: int
    ban: Ban


class RemoveExpired(NamedTuple):
    """guard.remove_expired -> Written."""

    ticket: int
    ban: Ban


class ForgetHistory(NamedTuple):
    """guard.forget_history of a member that says nothing, so that it is probed -> Written."""

    ticket: int
    host: str
    resource: str


class SwitchOff(NamedTuple):
    """role.switch_off, for that guest -> Written."""

    ticket: int
    resource: str
    by: str


class SwitchOn(NamedTuple):
    """role.switch_on -> Written."""

    ticket: int
    resource: str


class ForgetMark(NamedTuple):
    """role.forget_mark -> Written."""

    ticket: int
    resource: str


class Look(NamedTuple):
    """Open the pidfds of all QEMUs of that uuid, try the target's lock -> Looked."""

    ticket: int
    resource: str
    uuid: str


class Kill(NamedTuple):
    """-> Killed. In this order: a pidfd of each life; the ban read again (this id, live: else
    nothing is killed); the pending stop written; SIGKILL through the pidfds."""

    ticket: int
    ban: Ban
    lives: tuple[Life, ...]
    pending_stop: PendingStop


class KillHelpers(NamedTuple):
    """SIGKILL to what helps QEMUs that were killed and don't die: under this ban alone, as Kill.

    Nothing waits for it.
    """

    ban: Ban
    lives: tuple[Life, ...]


class ReadPendingStops(NamedTuple):
    """-> PendingStopsSeen."""

    ticket: int


class WritePendingStop(NamedTuple):
    resource: str
    pending_stop: PendingStop


class TouchPendingStop(NamedTuple):
    resource: str
    pending_stop: PendingStop


class RemovePendingStop(NamedTuple):
    """Only while it is this one."""

    resource: str
    pending_stop: PendingStop


class Say(NamedTuple):
    """Write one's own words; an Answer after it may wait until attrd has taken them."""

    report: HostReport


class Answer(NamedTuple):
    """The last word to the request of that number. It waits for the words said before it, but
    not beyond this monotonic time: nobody sends that request again then.

    done: what is remembered of it, if that is anything; of an OK to a fence it always is. why: for
    this host alone, how an OK is known or why it is an NG, if the text does not say it.
    """

    number: int
    text: str
    by: float = float("-inf")
    done: Done | None = None
    why: str = ""


class Forget(NamedTuple):
    """No answer to the request of that number: its sender has gone from this host."""

    number: int


class Log(NamedTuple):
    text: str
    is_error: bool = False


class WriteRecord(NamedTuple):
    """Into this host's record of fences. Nothing waits for it, and it may be lost."""

    record: Record


Action = Union[
    ReadCib,
    CreateBan,
    RewriteBan,
    SettleBan,
    RemoveBan,
    RemoveExpired,
    ForgetHistory,
    SwitchOff,
    SwitchOn,
    ForgetMark,
    Look,
    Kill,
    KillHelpers,
    ReadPendingStops,
    WritePendingStop,
    TouchPendingStop,
    RemovePendingStop,
    Say,
    Answer,
    Forget,
    Log,
    WriteRecord,
]
