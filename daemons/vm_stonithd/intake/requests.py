# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's words, its sender's stamp and what its token allows, to a Request. Pure.

The text is "OPERATION TOKEN", as in 2011. What does not fit gets a refusal, which is its answer;
why a token is refused is for the host's log alone, the guest always hears the same.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Callable, NamedTuple

from daemons.vm_stonithd.model.facts import REFUSED, Operation, Request, Sender
from pmkvm.process import Life
from pmkvm.wire.printable import shown

if TYPE_CHECKING:
    from daemons.vm_stonithd.intake.grant import Grant
    from pmkvm.wire.message import Forwarded

_HASH_DIGITS = 16
# fence_agents' word for it.
_OPERATIONS = {**{each.value: each for each in Operation}, "reboot": Operation.RESET}
# What a token may leave out; to ask is no deed.
_CHANGES = (Operation.RESET, Operation.OFF, Operation.ON)


class Asked(NamedTuple):
    """operation None: it is not one that is known."""

    operation: Operation | None
    token: str


class Place(NamedTuple):
    """Where a token is to hold: the cluster's name; uuid_of gives the uuid of a resource's domain
    as it is defined on this host, empty if none can be told, None for what is no resource;
    remembered_uuid gives the one with which it last ran here, empty if it never did; whose gives
    the resources whose domains have a uuid."""

    cluster: str
    uuid_of: Callable[[str], str | None]
    whose: Callable[[str], list[str]] = lambda _uuid: []
    remembered_uuid: Callable[[str], str] = lambda _resource: ""


def split(body: str) -> Asked:
    operation, _, token = body.strip().partition(" ")
    return Asked(_OPERATIONS.get(operation), token.strip())


def complaint(asked: Asked) -> str:
    """What is wrong with the text itself, empty if nothing is."""
    if asked.operation is None:
        return f"not one of {', '.join(_OPERATIONS)}"
    return "" if asked.token else "a token is missing"


def refused(number: int, forwarded: Forwarded, told: str, why: str = "") -> Request:
    """Whatever it asked for, the answer is this."""
    operation = split(forwarded.body).operation or Operation.STATUS
    return _request(number, forwarded, operation, "", "")._replace(refusal=told, why=why)


def allowed(
    number: int,
    forwarded: Forwarded,
    operation: Operation,
    grant: Grant,
    place: Place,
) -> Request:
    """Nothing is looked up for a guest whom the token is not for, and nothing in the cluster for a
    refusal: how long one takes must not tell what it found."""
    target = grant.resource
    request = _request(number, forwarded, operation, target, grant.uuid or "")
    request = request._replace(key_id=grant.key_id or "")
    why = _not_for(grant, forwarded, operation, place.cluster)
    if why:
        return request._replace(refusal=REFUSED, why=why)
    uuid = place.uuid_of(target)
    if uuid == "":
        # Every host compares it with its own definition and its own record before it says dead.
        uuid = grant.uuid or place.remembered_uuid(target)
    request = request._replace(uuid=uuid or grant.uuid or "")
    why = _not_here(grant, place, uuid, operation)
    if not why and operation.is_fence and uuid == forwarded.sender.uuid:
        why = f"{target} asks for {operation.value} of itself"
    if why:
        return request._replace(refusal=REFUSED, why=why)
    operations = sorted(grant.operations or (each.value for each in _CHANGES))
    allowed_here = (target, ",".join(operations))
    return request._replace(allowed=allowed_here)


def _not_for(grant: Grant, forwarded: Forwarded, operation: Operation, cluster: str) -> str:
    """Why this guest may not do this with it, by the token alone."""
    sender = forwarded.sender
    if grant.requesters is not None and sender.uuid not in grant.requesters:
        return f"the token for {grant.resource} is not for this guest, uuid {sender.uuid}"
    if grant.cluster is not None and grant.cluster != cluster:
        ours = shown(cluster)
        return f"the token is for the cluster {shown(grant.cluster)}, this is {ours}"
    is_limited = grant.operations is not None and operation in _CHANGES
    if is_limited and operation.value not in (grant.operations or ()):
        return f"the token for {grant.resource} does not allow {operation.value}"
    if operation.is_fence and sender.resource == grant.resource:
        return f"{grant.resource} asks for {operation.value} of itself"
    return ""


def _not_here(grant: Grant, place: Place, uuid: str | None, operation: Operation) -> str:
    """Why what has this name here is nothing to be fenced, or something else."""
    if uuid is None:
        return f"{grant.resource} is no VirtualDomain of this cluster that can be fenced"
    if uuid == "" and operation.is_fence:
        return f"the domain of {grant.resource} is not defined on this host, or has no uuid there"
    if grant.uuid is not None and uuid != grant.uuid:
        return f"{grant.resource} is another domain than when the token was made: {uuid} here"
    others = [each for each in place.whose(uuid) if each != grant.resource]
    return f"{grant.resource} and {others[0]} have the same uuid, {uuid}" if others else ""


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
