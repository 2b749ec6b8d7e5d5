# SPDX-License-Identifier: GPL-2.0-or-later
"""`resource move`: checks, a constraint that ends by itself, waiting, and its removal, always."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.files import write_atomically
from pmkvm.pacemaker import cib, resource, tools
from vmctl import names, plan, waiting
from vmctl.messages import RefusedError, message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pmkvm.pacemaker.status import Cluster
    from vmctl.registry import Registry

TOOL_S = 60.0
# How much longer than our own waiting the constraint lives, should nobody be left to remove it.
LIFETIME_SLACK_S = 60
# What Pacemaker takes for an operation that has no timeout of its own.
DEFAULT_TIMEOUT_S = 20.0

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked vm-ctl to end; what it began is undone on the way out."""


class Move(NamedTuple):
    domain: str
    origin: str
    target: str | None
    bound_s: float

    def lifetime_s(self) -> int:
        return int(self.bound_s) + LIFETIME_SLACK_S


def check(domain: str, target: str | None, registry: Registry, cluster: Cluster) -> Move:
    """The move to make; its target is the origin when there is none. Raises RefusedError."""
    plan.refuse(plan.unregistered((domain,), registry))
    instances = cluster.instances(names.resource(domain))
    nodes = sorted({node for each in instances for node in each.nodes})
    if not nodes:
        raise RefusedError(message(18, domain=domain))
    if len(nodes) > 1:
        raise RefusedError(message(38, domain=domain, nodes=", ".join(nodes)))
    if target is not None and target not in registry.nodes():
        raise RefusedError(message(16, node=target))
    if target != nodes[0]:
        _check_ways(domain, target, nodes[0], cluster)
        if not all(each.managed for each in instances):
            raise RefusedError(message(25, domain=domain), message(26, domain=domain))
    return Move(domain, nodes[0], target, _bound_s(domain, registry))


def _check_ways(domain: str, target: str | None, origin: str, cluster: Cluster) -> None:
    others = [name for name in cluster.online_members() if name != origin]
    if target is None and not others:
        raise RefusedError(message(14, node="no other node"), message(26, domain=domain))
    if target is not None and target not in others:
        raise RefusedError(message(14, node=target), message(26, domain=domain))


def check_scores(move: Move, scores: Mapping[str, int]) -> None:
    """Raises RefusedError when every way is barred. A node without a score is not judged."""
    if move.target is not None:
        if scores.get(move.target, 0) <= -resource.INFINITY:
            barred = message(19, domain=move.domain, node=move.target)
            raise RefusedError(barred, message(26, domain=move.domain))
        return
    others = [score for node, score in scores.items() if node != move.origin]
    if others and max(others) <= -resource.INFINITY:
        raise RefusedError(message(20, domain=move.domain), message(26, domain=move.domain))


def _bound_s(domain: str, registry: Registry) -> float:
    """A live move, or a stop and a start: Pacemaker falls back to them when it must."""
    operations = ["stop", "start"]
    if registry.meta(domain, "allow-migrate") == "true":
        operations += ["migrate_to", "migrate_from"]
    known = (registry.timeout_s(domain, name, DEFAULT_TIMEOUT_S) for name in operations)
    return sum(known) + waiting.SLACK_S


def carry_out(move: Move) -> None:
    """Move and wait; the constraint is gone afterwards. Raises RefusedError, Interrupted."""
    name = names.resource(move.domain)
    with _constraint(move):
        outcome = waiting.wait_for(
            (name,), lambda cluster, each: _has_moved(move, cluster, each), move.bound_s, "moving"
        )
    if outcome.late:
        reason = f"not there after {move.bound_s:.0f} s{waiting.why(outcome.cluster, name)}"
        raise RefusedError(message(27, domain=move.domain, reason=reason))


def _has_moved(move: Move, cluster: Cluster, name: str) -> bool:
    if not all(each.managed for each in cluster.instances(name)):
        unmanaged = message(25, domain=move.domain)
        raise RefusedError(unmanaged, message(27, domain=move.domain, reason="left half-way"))
    nodes = [node for each in cluster.instances(name) for node in each.nodes]
    there = nodes == [move.target] if move.target else nodes not in ([], [move.origin])
    return there and waiting.is_started(cluster, name)


@contextlib.contextmanager
def _constraint(move: Move) -> Iterator[None]:
    name = names.resource(move.domain)
    before = {each: signal.getsignal(each) for each in SIGNALS}
    for number, handler in before.items():
        # nohup has SIGHUP ignored, and it stays so.
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        resource.move(name, move.target, move.lifetime_s(), Deadline(TOOL_S))
        yield
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        try:
            _clear(name, move)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise Interrupted


def _clear(name: str, move: Move) -> None:
    try:
        resource.clear(name, Deadline(TOOL_S))
    except HaError as error:
        # Not the error of the move itself; the constraint ends by itself a little later.
        left = f"its constraint stays, {move.lifetime_s()} s at most from its beginning: {error}"
        sys.stderr.write(f"vm-ctl: {message(27, domain=move.domain, reason=left)}\n")


def rehearse(move: Move) -> str:
    """The constraints that the move would write, made by crm_resource itself on a copy."""
    deadline = Deadline(TOOL_S)
    with tempfile.TemporaryDirectory(prefix="vm-ctl.") as directory:
        copy = os.path.join(directory, "cib.xml")
        write_atomically(copy, cib.query(deadline))
        on_copy = {tools.CIB_FILE: copy}
        name = names.resource(move.domain)
        resource.move(name, move.target, move.lifetime_s(), deadline, environment=on_copy)
        after = tools.call(
            ("cibadmin", "--query", "--scope", "constraints"), deadline, environment=on_copy
        )
    return after.out
