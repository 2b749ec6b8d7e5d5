# SPDX-License-Identifier: GPL-2.0-or-later
"""What one vm-stonithd knows: the local CIB as it read it, and the requests of its guests. Pure."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.fencing.role import Written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pmkvm.fencing.ban import Ban
    from pmkvm.process import Life


# What a guest is told whose token does not hold, whatever is the matter with it.
REFUSED = "the token is refused"


def told(refusal: str, request_hash: str) -> str:
    """Of a token: with the first word of the host's line, which is the request's own hash and
    says nothing of the reason."""
    return f"{refusal}: see {request_hash} in the host's log" if refusal == REFUSED else refusal


class Standing(Enum):
    """A configured cluster node, by its node_state: doc/fencing-protocol.md, Host states."""

    OK = "ok"
    DOWN = "down"
    OTHER = "other"


class Transition(NamedTuple):
    """One plan of Pacemaker's: numbers are comparable within the life of one DC."""

    dc: str
    number: int


class History(NamedTuple):
    """What the CIB says of one resource on one host. A missing entry is no History.

    ended, recorded, pending: as pmkvm.fencing.status_words; call_id: the highest;
    is_leaving: the latest operation is a migrate_to. last: tells the operation that stands at its
    end (_last_0) from every other, empty if there is none. has_life: Pacemaker has a life of it
    there, which began and whose stop has not succeeded; a start or an arrival that is under way is
    none yet. is_down: it has ended, or a probe has found no agent that could have started it.

    left_for: the node that it has migrated to, or was to, since it last came to this host; planned
    in that transition. known: its operations here are newer than what these transitions planned.
    """

    ended: bool
    recorded: bool
    pending: bool = False
    call_id: int = 0
    is_leaving: bool = False
    last: str = ""
    has_life: bool = False
    is_down: bool = False
    left_for: str = ""
    left_in: Transition | None = None
    known: tuple[Transition, ...] = ()

    def is_newer(self, transition: Transition | None) -> bool:
        """Whether an operation here is surely of that transition's time or later."""
        if transition is None:
            return False
        return any(dc == transition.dc and number >= transition.number for dc, number in self.known)


class Resource(NamedTuple):
    """A resource that the create guard takes for a target.

    target_role: the one that counts. own: the role that stands in the primitive itself, empty if
    none does, and whose off has written it. runs_on: where Pacemaker says it is started.
    """

    managed: bool = True
    target_role: str = "Started"
    runs_on: tuple[str, ...] = ()
    own: Written = Written()


class View(NamedTuple):
    """One reading of the local CIB, with crm_node's partition.

    lrm: hosts that are DOWN and have an <lrm>; a fenced one has none. remote: remote nodes, and
    guests that are nodes, and whether each is up; histories has theirs, too.
    """

    quorum: bool
    hosts: Mapping[str, Standing]
    partition: frozenset[str]
    resources: Mapping[str, Resource]
    bans: Mapping[str, Ban]
    histories: Mapping[tuple[str, str], History]
    lrm: frozenset[str] = frozenset()
    maintenance: bool = False
    remote: Mapping[str, bool] = MappingProxyType({})

    @property
    def members(self) -> frozenset[str]:
        return frozenset(host for host, is_ in self.hosts.items() if is_ is Standing.OK)

    def history(self, host: str, resource: str) -> History | None:
        return self.histories.get((host, resource))

    def has_ended(self, host: str, resource: str) -> bool:
        """A missing entry has not: absence is never evidence."""
        history = self.history(host, resource)
        return history is not None and history.ended

    def call_id(self, host: str, resource: str) -> int:
        history = self.history(host, resource)
        return -1 if history is None else history.call_id

    def busy(self, resource: str) -> frozenset[str]:
        """The members on which an operation of it is under way."""
        entries = ((host, self.history(host, resource)) for host in self.members)
        return frozenset(host for host, entry in entries if entry is not None and entry.pending)

    def may_run(self, host: str, resource: str) -> bool:
        down = self.hosts.get(host) is Standing.DOWN and host in self.lrm
        return down and not self.has_ended(host, resource)

    def may_run_remotely(self, node: str, resource: str) -> bool:
        """On that remote node; of one that is down, a missing entry says that nothing began.

        A probe of before a migration to it says nothing of the guest that may have arrived since:
        its source's QEMU ends before an arrival is recorded. Pacemaker does not tell of it either
        (2.1.5: it takes a remote node for offline while it reads the histories of the members).
        """
        history = self.history(node, resource)
        entries = (self.history(host, resource) for host in (*self.hosts, *self.remote))
        for source in entries:
            has_left = source is not None and source.left_for == node
            if has_left and not (history and source and history.is_newer(source.left_in)):
                return True
        return self.remote[node] if history is None else not history.is_down

    def is_recorded(self, resource: str) -> bool:
        """UNRECORDED on no member; a missing entry is fine."""
        entries = (self.history(host, resource) for host in self.members)
        return all(entry is None or entry.recorded for entry in entries)


class Operation(Enum):
    """What a guest asks for."""

    RESET = "reset"
    OFF = "off"
    ON = "on"
    STATUS = "status"
    LIST = "list"

    @property
    def is_fence(self) -> bool:
        return self in (Operation.RESET, Operation.OFF)


class Sender(NamedTuple):
    """The QEMU that sent a request: whose the request is as long as this life lives."""

    uuid: str
    life: Life


class Request(NamedTuple):
    """A request as it arrived here; number is this host's own for it, answered by it.

    hash: of its id. seconds: what is left of its time. uuid: of the target's domain, as the
    token seals it. refusal: what the guest is told if it is not allowed, empty if it is; why: the
    reason, for this host's log alone. allowed: for a list, what the token names. key_id: of the key
    that it was sealed with, also of one that is refused; empty of a token of 2011.
    """

    number: int
    operation: Operation
    requester: str
    hash: str
    target: str
    uuid: str
    seconds: float
    sender: Sender
    refusal: str = ""
    why: str = ""
    allowed: tuple[str, ...] = ()
    key_id: str = ""

    @property
    def label(self) -> str:
        """By which it is known in the logs of the guest and of all hosts."""
        return f"{self.hash} {self.requester} {self.operation.value} {self.target}"
