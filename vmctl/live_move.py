# SPDX-License-Identifier: GPL-2.0-or-later
"""Before a live move: do its two ends reach each other, and would libvirt refuse it?

A migration is made on the host that the guest comes from. So whether that host reaches the other
one is asked there, or not at all: vm-ctl may run elsewhere. All ends are asked at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.thread_call import Call
from pmkvm.virt import other_job
from pmkvm.virt.connection import Connection
from pmkvm.virt.migration_uri import Transport
from vmctl import hosts
from vmctl.messages import Message, RefusedError, message, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from vmctl.cib_document import CibDocument
    from vmctl.configuration import Configuration

    T = TypeVar("T")

# Both ends together. Who does not answer in this time answers no migration either.
ANSWER_S = 10.0
# For what libvirt would refuse, beside that: it is good to know, and no more.
FORECAST_S = 0.5
THIS_HOST = (None, "localhost", "127.0.0.1", "::1")


class Ends(NamedTuple):
    """Of a live move; local is where vm-ctl runs, targets are all that it may go to."""

    domain: str
    local: str
    origin: str
    targets: Sequence[str]
    transport: Transport

    def uri(self, node: str) -> str:
        """As this host has it."""
        return self.transport.hypervisor if node == self.local else self.transport.uri(node)


class Verdict(NamedTuple):
    refusals: Sequence[Message]
    warnings: Sequence[Message]


def transport(
    domain: str, cib_document: CibDocument, configuration: Configuration
) -> tuple[Transport, str]:
    """That of the guest's migrations; and why the CIB does not tell it, else empty."""
    found = cib_document.parameters(domain, Transport._fields)
    doubts = [f"{name}: {each.unclear}" for name, each in found.items() if each.unclear]
    doubts += [
        f"{name}: {each.per_operation}" for name, each in found.items() if each.per_operation
    ]
    if doubts:
        return Transport(""), ", ".join(doubts)
    values = {name: each.value for name, each in found.items()}
    values["hypervisor"] = values["hypervisor"] or configuration.text("vm_hypervisor")
    return Transport(**values), ""


def check(ends: Ends) -> None:
    """Warns of what it can't ask. Raises RefusedError."""
    if urlsplit(ends.transport.hypervisor).hostname not in THIS_HOST:
        # One libvirt of another machine, the same for all hosts.
        return
    forecast = Call("asking for what stands in the way", lambda: _forecast(ends))
    deadline = Deadline(ANSWER_S)
    uris = {node: ends.uri(node) for node in (ends.origin, *ends.targets)}
    _reached, silent = hosts.ask_all(uris, _connect, deadline)
    found = judge(ends, silent)
    say(found.warnings)
    is_told = forecast.is_done(deadline.at_most(FORECAST_S))
    if not is_told:
        forecast.abandon()
    if found.refusals:
        raise RefusedError(*found.refusals, message(26, domain=ends.domain))
    if is_told:
        say(forecast.result())  # type: ignore[arg-type]


def _connect(uri: str) -> None:
    with Connection(uri):
        pass


def judge(ends: Ends, silent: Mapping[str, str]) -> Verdict:
    """What the silence of some of them means, each with its reason. Pure."""
    lost = {node: _silence(ends, node, reason) for node, reason in silent.items()}
    refusals = [lost[ends.origin]] if ends.origin in lost else []
    warnings: list[Message] = []
    silent_targets = [node for node in ends.targets if node in lost]
    # From a third host a target's silence tells nothing of the way that the guest takes.
    sure = [node for node in silent_targets if ends.local in (ends.origin, node)]
    is_lost = len(sure) == len(ends.targets)
    (refusals if is_lost else warnings).extend(lost[node] for node in silent_targets)
    if ends.local != ends.origin and not refusals:
        reason = f"vm-ctl runs on {ends.local}; run on {ends.origin} it asks"
        warnings.append(not_asked(ends.domain, ends.origin, ends.targets, reason))
    return Verdict(refusals, warnings)


def not_asked(domain: str, origin: str, targets: Sequence[str], reason: str) -> Message:
    return message(72, domain=domain, origin=origin, nodes=", ".join(targets), reason=reason)


def _silence(ends: Ends, node: str, reason: str) -> Message:
    uri, domain = ends.uri(node), ends.domain
    if node == ends.local:
        return message(71, domain=domain, node=node, uri=uri, reason=reason)
    return message(70, domain=domain, here=ends.local, node=node, uri=uri, reason=reason)


def _forecast(ends: Ends) -> list[Message]:
    """In a thread: what libvirt refuses, or waits for, as far as one look tells."""
    try:
        with Connection(ends.uri(ends.origin)) as connection:
            guest = connection.lookup(ends.domain)
            if guest is None:
                return []
            snapshots = _or_else(0, guest.snapshots)
            job = _or_else("", lambda: other_job.under_way(guest))
    except (HaError, MemoryError):
        return []
    return list(_obstacles(ends.domain, snapshots, job))


def _or_else(default: T, ask: Callable[[], T]) -> T:
    """Not every hypervisor can tell."""
    try:
        return ask()
    except HaError:
        return default


def _obstacles(domain: str, snapshots: int, job: str) -> Iterator[Message]:
    if snapshots:
        yield message(73, domain=domain, count=snapshots)
    if job:
        yield message(74, domain=domain, job=job)
