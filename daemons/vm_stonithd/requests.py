# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's words, its sender's stamp and what its token allows, to a Request. Pure.

The text is "OPERATION TOKEN", as in 2011. What does not fit gets a refusal, which is its answer.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.facts import Operation, Request, Sender
from pmkvm.process import Life

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemons.vm_stonithd.grant import Grant
    from pmkvm.wire.message import Forwarded

_HASH_DIGITS = 16
# fence_agents' word for it.
_OPERATIONS = {**{each.value: each for each in Operation}, "reboot": Operation.RESET}
# What a token may leave out; to ask is no deed.
_CHANGES = (Operation.RESET, Operation.OFF, Operation.ON)


class Words(NamedTuple):
    """operation None: it is not one that is known."""

    operation: Operation | None
    token: str


def split(body: str) -> Words:
    operation, _, token = body.strip().partition(" ")
    return Words(_OPERATIONS.get(operation), token.strip())


def complaint(words: Words) -> str:
    """What is wrong with the text itself, empty if nothing is."""
    if words.operation is None:
        return f"not one of {', '.join(_OPERATIONS)}"
    return "" if words.token else "a token is missing"


def refused(number: int, forwarded: Forwarded, reason: str) -> Request:
    """Whatever it asked for, the answer is this."""
    operation = split(forwarded.body).operation or Operation.STATUS
    return _request(number, forwarded, operation, "", "")._replace(refusal=reason)


def allowed(
    number: int,
    forwarded: Forwarded,
    operation: Operation,
    grant: Grant,
    uuid_of: Callable[[str], str | None],
) -> Request:
    """uuid_of gives the uuid of a resource's domain as it is defined on this host, empty if none
    can be told, and None for what is no resource: of that the machine says so."""
    target = grant.resource
    uuid = uuid_of(target)
    request = _request(number, forwarded, operation, target, uuid or grant.uuid or "")
    reason = _refusal(forwarded.sender.uuid, operation, grant, uuid)
    return request._replace(refusal=reason, allowed=() if reason else (target,))


def _refusal(sender: str, operation: Operation, grant: Grant, uuid: str | None) -> str:
    if grant.requesters is not None and sender not in grant.requesters:
        return "the token is not for this guest"
    is_limited = grant.operations is not None and operation in _CHANGES
    if is_limited and operation.value not in (grant.operations or ()):
        return f"the token does not allow {operation.value}"
    if uuid == "":
        return f"the domain of {grant.resource} is not defined on this host, or has no uuid there"
    if None not in (uuid, grant.uuid) and uuid != grant.uuid:
        return f"{grant.resource} is another domain than when the token was made"
    return ""


def _request(
    number: int, forwarded: Forwarded, operation: Operation, target: str, uuid: str
) -> Request:
    who = forwarded.sender
    return Request(
        number=number,
        operation=operation,
        requester=who.resource,
        hash=hash_of(forwarded.id),
        target=target,
        uuid=uuid,
        seconds=forwarded.seconds,
        sender=Sender(who.uuid, Life(who.pid, who.start_time)),
    )


def hash_of(request_id: str) -> str:
    """An id is a guest's free text: of it only this goes further."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:_HASH_DIGITS]
