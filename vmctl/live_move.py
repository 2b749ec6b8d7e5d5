# SPDX-License-Identifier: GPL-2.0-or-later
"""Before a live move: whether its ends reach each other, and what libvirt would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm.deadline import Deadline
from pmkvm.thread_call import Call
from pmkvm.virt import hindrances
from pmkvm.virt.hindrances import JOB, NOT_ASKED, SILENT, SNAPSHOTS, UNREACHED
from pmkvm.virt.migration_uri import Transport
from vmctl.messages import Message, RefusedError, message, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pmkvm.pacemaker.document import CibDocument
    from pmkvm.virt.hindrances import Ends, Hindrance
    from vmctl.configuration import Configuration

# Both ends together. Who does not answer in this time answers no migration either.
ANSWER_S = 10.0
# For what libvirt would refuse, beside that: it is good to know, and no more.
FORECAST_S = 0.5
NUMBERS = {UNREACHED: 70, SILENT: 71, NOT_ASKED: 72, SNAPSHOTS: 73, JOB: 74}


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
    if ends.are_one():
        return
    # All at the same time.
    looked = Call("asking for what stands in the way", lambda: _forecast(ends))
    deadline = Deadline(ANSWER_S)
    found = hindrances.judge(ends, hindrances.silent(ends, deadline))
    say(messages(found.warnings))
    is_told = looked.is_done(deadline.at_most(FORECAST_S))
    if not is_told:
        looked.abandon()
    if found.refusals:
        raise RefusedError(*messages(found.refusals), message(26, domain=ends.domain))
    if is_told:
        say(messages(looked.result()))  # type: ignore[arg-type]


def _forecast(ends: Ends) -> list[Hindrance]:
    return hindrances.forecast(ends.domain, ends.uri(ends.origin))


def messages(found: Iterable[Hindrance]) -> list[Message]:
    return [message(NUMBERS[each.kind], **each.fields) for each in found]
