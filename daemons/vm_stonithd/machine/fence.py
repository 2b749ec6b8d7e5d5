# SPDX-License-Identifier: GPL-2.0-or-later
"""One target's fence as this host takes part in it: its requests, its ban, how far it is. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.model import pace
from daemons.vm_stonithd.model.facts import Operation
from pmkvm.fencing.ban import LEASE_S, OFF, RESET, Ban

if TYPE_CHECKING:
    from daemons.vm_stonithd.model.facts import Request, Sender, View

# The answer leaves this long before the request's time is over.
MARGIN_S = 0.3
# What holds a fence up for so long is worth a line at once.
LASTING_S = 1.0
# How long the end of a ban waits for a probe of a host whose entry was deleted.
PROBE_S = 30.0


class Step(Enum):
    """How far a fence is. NEEDS says what each step has.

    WAITING for what stands in the way of a ban. WRITING it. PROVING under it. ENDING it.
    REPLACING: ending a ban that can't be proven any more, to begin again with a new id.
    """

    WAITING = "waiting"
    WRITING = "writing"
    PROVING = "proving"
    ENDING = "ending"
    REPLACING = "replacing"


class Needs(NamedTuple):
    """Of a step: whether there is a ban, whether it is this host's, whether a write is out. None:
    either may be."""

    ban: bool | None
    is_own: bool | None
    write: bool | None


NEEDS = {
    Step.WAITING: Needs(None, None, None),
    Step.WRITING: Needs(ban=True, is_own=True, write=True),
    Step.PROVING: Needs(ban=True, is_own=None, write=None),
    Step.ENDING: Needs(ban=True, is_own=True, write=None),
    Step.REPLACING: Needs(ban=True, is_own=True, write=None),
}
# Steps in which the ban stands as far as this host knows.
UNDER_BAN = (Step.PROVING, Step.ENDING, Step.REPLACING)

# Where nothing that can be named stands in the way.
_LAST_REASON = {
    Step.WAITING: "its turn has not come",
    Step.WRITING: "the CIB manager has not said whether it has taken the ban",
    Step.PROVING: "the ban has not been read back yet",
    Step.ENDING: "the ban before this request is still to be removed",
    Step.REPLACING: "the ban before this request is still to be removed",
}


class Pending(NamedTuple):
    """A request that has no answer yet; times on this host's monotonic clock."""

    request: Request
    arrived: float

    @property
    def deadline(self) -> float:
        return self.arrived + self.request.seconds - MARGIN_S

    @property
    def is_hopeless(self) -> bool:
        """Whether its time was over when it came."""
        return self.deadline <= self.arrived

    @property
    def is_off(self) -> bool:
        return self.request.operation is Operation.OFF


class Noted(NamedTuple):
    """What a fence waits for, by its reason and its ban's id, since when it has been the same, and
    whether the log knows."""

    state: tuple[str, str]
    since: float
    is_told: bool = False


class Fence:
    """At most one guarded write is out (ticket); nothing is concluded before the reading that was
    asked for after it has come (read)."""

    def __init__(self, resource: str, host: str) -> None:
        self.resource = resource
        self.host = host
        self.step = Step.WAITING
        self.pending: dict[int, Pending] = {}
        self.ban: Ban | None = None
        # Whose request the guarded write that is out was made for.
        self.sender: Sender | None = None
        self.ticket = 0
        self.read = 0
        self.tried_at = float("-inf")
        # How often in a row the guard has refused a write.
        self.refusals = 0
        self.gone_at: float | None = None
        # The off's ban that was seen together with the role Stopped.
        self.held_by = ""
        self.reason = "nothing is known yet"
        self._noted = Noted(("", ""), float("-inf"))
        # Where Pacemaker had it when the ban was drawn, for the log.
        self.ran_on: tuple[str, ...] = ()
        # The hosts that had an entry of it in their histories while it was being proven, and when
        # it last was.
        self.known_on: frozenset[str] = frozenset()
        self.ending_since = float("-inf")

    @property
    def is_coordinator(self) -> bool:
        """Whether the ban is this host's to renew and to end."""
        return self.ban is not None and self.ban.coordinator == self.host

    def fault(self) -> str:
        """What the step needs and this fence has not, or has against it; empty if it is valid."""
        found = Needs(self.ban is not None, self.is_coordinator, bool(self.ticket))
        wrong = [
            f"{name} is {is_}"
            for name, needed, is_ in zip(Needs._fields, NEEDS[self.step], found)
            if needed is not None and needed != is_
        ]
        return f"{self.step.value}: {', '.join(wrong)}" if wrong else ""

    def note(self, now: float) -> None:
        """What it waits for now."""
        state = (self.reason, "" if self.ban is None else self.ban.id)
        if self._noted.state != state:
            self._noted = Noted(state, now)

    def quiet_s(self, now: float) -> float:
        """How long it has waited for the same thing; pace.NOTHING if nobody waits for it."""
        is_waited_for = bool(self.pending) or self.step in (Step.ENDING, Step.REPLACING)
        return now - self._noted.since if is_waited_for else pace.NOTHING

    def delay(self, now: float) -> str:
        """What it waits for, once for each reason that has lasted; else empty."""
        if not self.pending or self._noted.is_told or now - self._noted.since < LASTING_S:
            return ""
        self._noted = self._noted._replace(is_told=True)
        return self.reason

    def __str__(self) -> str:
        """All that explains an error, for this host's log."""
        requests = ", ".join(
            f"{one.request.hash} {one.request.requester} {one.request.operation.value}"
            for one in self.pending.values()
        )
        return (
            f"Fence: step {self.step.value}, ban {self.ban}, coordinator {self.is_coordinator},"
            f" ticket {self.ticket}, read {self.read}, reason {self.reason!r},"
            f" requests {requests or 'none'}"
        )

    def note_entries(self, view: View, now: float) -> None:
        """While it is being proven: the members in whose histories it stands."""
        self.ending_since = now
        self.known_on |= self._entries(view)

    def note_role(self, view: View) -> None:
        """Whether no start can be on its way: none began under the ban, none begins in the role."""
        resource = view.resources.get(self.resource)
        is_stopped = resource is not None and resource.target_role == "Stopped"
        is_off = self.ban is not None and self.ban.operation == OFF
        self.held_by = self.ban.id if self.ban is not None and is_off and is_stopped else ""

    def awaits_probe(self, view: View, now: float) -> bool:
        """Whether a host's entry was deleted under the ban, by a refresh or by us, and no probe has
        come yet.

        A missing entry is fine where there never was one. But with a deleted one goes what it said
        of a migration that is on its way, which fails if the ban ends now.
        """
        is_late = now - self.ending_since >= PROBE_S
        return not is_late and not self.known_on & view.members <= self._entries(view)

    def _entries(self, view: View) -> frozenset[str]:
        there = (host for host in view.members if view.history(host, self.resource) is not None)
        return frozenset(there)

    def obstacle(self) -> str:
        """Why there is no OK yet; never empty."""
        return self.reason or _LAST_REASON[self.step]

    def lead(self) -> Pending:
        """Whose request the ban carries: an off comes before a reset."""
        return next((one for one in self.pending.values() if one.is_off), self.first())

    def first(self) -> Pending:
        return next(iter(self.pending.values()))

    def wants_off(self) -> bool:
        return any(one.is_off for one in self.pending.values())

    def drawn(self, ban_id: str, wall: float) -> Ban:
        """The ban for the lead. One whose write timed out may still come: its id is kept."""
        request = self.lead().request
        operation = OFF if self.lead().is_off else RESET
        ban = Ban(
            self.resource,
            operation,
            ban_id,
            request.requester,
            request.hash,
            self.host,
            request.uuid,
            lease_end(wall),
        )
        if self.ban is not None and ban._replace(id=self.ban.id).value == self.ban.value:
            return ban._replace(id=self.ban.id)
        return ban

    def taken_over(self, there: Ban, by: Pending, wall: float) -> Ban:
        """The same ban, id and words, for a request that arrived here."""
        return there._replace(
            operation=OFF if by.is_off else there.operation,
            requester=by.request.requester,
            request=by.request.hash,
            coordinator=self.host,
            end=lease_end(wall),
        )

    def resend_of(self, there: Ban) -> Pending | None:
        """The pending request that this ban was written for, on whatever host."""
        for one in self.pending.values():
            mine = (one.request.requester, one.request.hash, one.request.operation.value)
            if mine == (there.requester, there.request, there.operation):
                return one
        return None


def lease_end(wall: float) -> int:
    return int(wall) + LEASE_S
