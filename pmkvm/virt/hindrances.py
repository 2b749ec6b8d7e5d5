# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in the way of a live move, as the libvirts of both ends have it.

A migration is made on the host that the guest comes from. So whether that host reaches the other
one is asked there, or not at all: whoever asks may run elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pmkvm.errors import HaError
from pmkvm.virt import other_job
from pmkvm.virt.connection import Connection
from pmkvm.virt.survey import ask_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from pmkvm.deadline import Deadline
    from pmkvm.virt.migration_uri import Transport

    T = TypeVar("T")

THIS_HOST = (None, "localhost", "127.0.0.1", "::1")

# What a hindrance is, with the fields that it has beside domain: a node is not reached (here, node,
# uri, reason), this host's libvirt is silent (node, uri, reason), nobody could ask (origin, nodes,
# reason), the guest has snapshots (count), libvirt is at a job (job).
UNREACHED, SILENT, NOT_ASKED, SNAPSHOTS, JOB = (
    "unreached",
    "silent",
    "not asked",
    "snapshots",
    "job",
)


class Hindrance(NamedTuple):
    kind: str
    fields: Mapping[str, object]


class Ends(NamedTuple):
    """Of a live move; local is where the asking is done, targets are all that it may go to."""

    domain: str
    local: str
    origin: str
    targets: Sequence[str]
    transport: Transport

    def uri(self, node: str) -> str:
        """As this host has it."""
        return self.transport.hypervisor if node == self.local else self.transport.uri(node)

    def are_one(self) -> bool:
        """Whether the hypervisor is one libvirt of another machine, the same for all hosts."""
        return urlsplit(self.transport.hypervisor).hostname not in THIS_HOST


class Verdict(NamedTuple):
    """refusals: with these no move begins."""

    refusals: Sequence[Hindrance]
    warnings: Sequence[Hindrance]


def silent(ends: Ends, deadline: Deadline) -> dict[str, str]:
    """The ends that do not answer over the way of the migrations, each with the reason."""
    uris = {node: ends.uri(node) for node in (ends.origin, *ends.targets)}
    return ask_all(uris, _connect, deadline)[1]


def _connect(uri: str) -> None:
    with Connection(uri):
        pass


def judge(ends: Ends, silent: Mapping[str, str]) -> Verdict:
    """What the silence of some of them means. Without effects."""
    lost = {node: _silence(ends, node, reason) for node, reason in silent.items()}
    refusals = [lost[ends.origin]] if ends.origin in lost else []
    warnings: list[Hindrance] = []
    silent_targets = [node for node in ends.targets if node in lost]
    # From a third host a target's silence tells nothing of the way that the guest takes.
    sure = [node for node in silent_targets if ends.local in (ends.origin, node)]
    is_lost = len(sure) == len(ends.targets)
    (refusals if is_lost else warnings).extend(lost[node] for node in silent_targets)
    if ends.local != ends.origin and not refusals:
        reason = f"vm-ctl runs on {ends.local}; run on {ends.origin} it asks"
        warnings.append(not_asked(ends.domain, ends.origin, ends.targets, reason))
    return Verdict(refusals, warnings)


def not_asked(domain: str, origin: str, targets: Sequence[str], reason: str) -> Hindrance:
    fields = {"domain": domain, "origin": origin, "nodes": ", ".join(targets), "reason": reason}
    return Hindrance(NOT_ASKED, fields)


def _silence(ends: Ends, node: str, reason: str) -> Hindrance:
    fields = {"domain": ends.domain, "node": node, "uri": ends.uri(node), "reason": reason}
    if node == ends.local:
        return Hindrance(SILENT, fields)
    return Hindrance(UNREACHED, {**fields, "here": ends.local})


def forecast(domain: str, uri: str) -> list[Hindrance]:
    """What libvirt refuses, or waits for, as far as one look tells. May take for ever."""
    try:
        with Connection(uri) as connection:
            guest = connection.lookup(domain)
            if guest is None:
                return []
            snapshots = _or_else(0, guest.snapshots)
            job = _or_else("", lambda: other_job.under_way(guest))
    except (HaError, MemoryError):
        return []
    return list(_obstacles(domain, snapshots, job))


def _or_else(default: T, ask: Callable[[], T]) -> T:
    """Not every hypervisor can tell."""
    try:
        return ask()
    except HaError:
        return default


def _obstacles(domain: str, snapshots: int, job: str) -> Iterator[Hindrance]:
    if snapshots:
        yield Hindrance(SNAPSHOTS, {"domain": domain, "count": snapshots})
    if job:
        yield Hindrance(JOB, {"domain": domain, "job": job})
