# SPDX-License-Identifier: GPL-2.0-or-later
"""`resource move`: checks, constraints that end by themselves, waiting, their removal, always."""

from __future__ import annotations

import contextlib
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker import cib, failure, names, reasons, resource, waiting
from pmkvm.pacemaker.document import CibDocument
from vmctl import checks, guest, plan, transaction
from vmctl.messages import RefusedError, message, refuse, say, why
from vmctl.plan import MigratingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pmkvm.pacemaker.status import Cluster, Failure
    from vmctl.command_line import Request

# How much longer than our own waiting the constraint lives, should nobody be left to remove it.
LIFETIME_SLACK_S = 60
MIGRATIONS = ("migrate_to", "migrate_from")
# What Pacemaker does when one of them has failed, by on-fail.
GOES_ON = "Pacemaker stops it and starts it where it may run"
NEXT = {
    "fence": "Pacemaker fences that host",
    "block": "Pacemaker leaves it as it is (on-fail=block)",
    "ignore": "Pacemaker goes on as if nothing had happened (on-fail=ignore)",
    "stop": "Pacemaker stops it (on-fail=stop)",
    "standby": "Pacemaker moves all resources away from that host (on-fail=standby)",
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Move(NamedTuple):
    domain: str
    origin: str
    target: str | None
    bound_s: float
    # What it has failed at before.
    failures: Sequence[Failure] = ()

    def lifetime_s(self) -> int:
        return int(self.bound_s) + LIFETIME_SLACK_S


def check(domain: str, target: str | None, cib_document: CibDocument, cluster: Cluster) -> Move:
    """The move to make; its target is the origin when there is none. Raises RefusedError."""
    checks.registered((domain,), cib_document)
    instances = cluster.instances(names.resource(domain))
    nodes = sorted({node for each in instances for node in each.nodes})
    if not nodes:
        raise RefusedError(message(18, domain=domain))
    if len(nodes) > 1:
        raise RefusedError(message(38, domain=domain, nodes=", ".join(nodes)))
    if target is not None:
        refuse(checks.unfit_node(target, cib_document, cluster))
    if target != nodes[0]:
        others = set(cluster.online_hosts()) - set(nodes)
        if not (target in others if target else others):
            raise not_begun(14, domain, node=target or "no other node")
        if not all(each.managed for each in instances):
            raise not_begun(25, domain)
        if cib_document.is_migrating(domain):
            raise not_begun(55, domain)
    failures = cluster.failures_of(names.resource(domain))
    return Move(domain, nodes[0], target, _bound_s(domain, cib_document), failures)


def not_begun(number: int, domain: str, **arguments: object) -> RefusedError:
    return RefusedError(message(number, domain=domain, **arguments), message(26, domain=domain))


def check_scores(
    move: Move, scores: Mapping[str, int], cib_document: CibDocument, cluster: Cluster
) -> None:
    """Raises RefusedError when every way is barred. A node without a score is not judged."""
    others = {node: score for node, score in scores.items() if node != move.origin}
    if move.target is not None:
        others = {move.target: scores.get(move.target, 0)}
    if others and max(others.values()) <= -resource.INFINITY:
        name, target = names.resource(move.domain), move.target
        if target is None:
            raise not_begun(20, move.domain)
        found = reasons.forbidding(name, target, cib_document, cluster)
        raise not_begun(19, move.domain, node=target, reason=why(found))


def targets(move: Move, scores: Mapping[str, int], cluster: Cluster) -> list[str]:
    """Where it may go to, by the scores when nobody has said."""
    if move.target is not None:
        return [move.target]
    others = sorted(set(cluster.online_hosts()) - {move.origin})
    return [node for node in others if scores.get(node, 0) > -resource.INFINITY]


def scores_without(domain: str, document: str) -> dict[str, int]:
    """The scheduler's scores of a guest, were there no constraints of a move."""
    cib_document = CibDocument(document)
    plan.unmove(domain, cib_document)
    deadline = Deadline(transaction.QUERY_S)
    return resource.allocation_scores(cib_document.text(), names.resource(domain), deadline)


def is_live(domain: str, cib_document: CibDocument) -> bool:
    """Whether Pacemaker migrates it; else a stop and a start are all that a move is."""
    return cib_document.meta(domain, "allow-migrate") == "true"


def _bound_s(domain: str, cib_document: CibDocument) -> float:
    """A live move, or a stop and a start: Pacemaker falls back to them when it must."""
    operations = ["stop", "start"]
    if is_live(domain, cib_document):
        operations += ["migrate_to", "migrate_from"]
    return sum(cib_document.timeout_s(domain, op) for op in operations) + waiting.SLACK_S


def begin(move: Move, request: Request) -> None:
    """Write the constraints, or show them."""

    def planned(cib_document: CibDocument) -> None:
        plan.unmove(move.domain, cib_document)
        end = time.time() + move.lifetime_s()
        new = guest.move(move.domain, move.origin, move.target, end)
        cib_document.section("constraints").extend(new)

    transaction.make(planned, request)


def look_ahead(move: Move, scores: Mapping[str, int], cib_document: CibDocument) -> None:
    """Say so when the scores will draw the guest away again, as soon as it is there."""
    stays = cib_document.stickiness(move.domain)
    others = {node: score for node, score in scores.items() if node != move.origin}
    if not others or stays >= resource.INFINITY or move.origin not in scores:
        return
    # Its stickiness, which is in the origin's score, goes with it.
    target = move.target or max(others, key=lambda node: others[node])
    there = {**scores, move.origin: scores[move.origin] - stays}
    there[target] = scores.get(target, 0) + stays
    best = max(there, key=lambda node: (there[node], node == target))
    if best != target:
        say([message(51, domain=move.domain, node=best)])


def carry_out(
    move: Move, request: Request, cib_document: CibDocument, doing: Callable[[], str]
) -> None:
    """Move and wait; the constraints are gone afterwards. Raises RefusedError.

    Not while Pacemaker migrates: without them it stops the guest where that comes from and starts
    it there anew, beside the one that arrives if that way is in its history (2.1.5 and 3.0.0). So
    a signal is heard once the guest is there, and a second one leaves them to end by themselves.
    """
    name = names.resource(move.domain)
    deadline = Deadline(move.bound_s)
    known = list(move.failures)
    with _noted() as signals:
        is_told = False

        def reached(cluster: Cluster, each: str) -> bool:
            nonlocal is_told
            if signals and not is_told:
                is_told = True
                say([message(56, domain=move.domain, seconds=move.lifetime_s())])
            if len(signals) > 1:
                raise KeyboardInterrupt
            for failed in failure.new(known, cluster, each, MIGRATIONS):
                known.append(failed)
                reason = failure.sentence(failed, each)
                after = NEXT.get(cib_document.on_fail(move.domain, failed.task(each)), GOES_ON)
                say([message(79, domain=move.domain, reason=reason, next=after)])
            return _has_moved(move, cluster, each)

        try:
            begin(move, request)
            outcome = waiting.wait_for((name,), reached, move.bound_s, doing)
            if outcome.late:
                late = f"not there after {move.bound_s:.0f} s"
                end = "the cluster does no more for it" if outcome.is_settled else late
                after = CibDocument(cib.query(Deadline(transaction.QUERY_S)))
                found = reasons.of(name, after, outcome.cluster)
                raise RefusedError(message(27, domain=move.domain, reason=end + why(found)))
        finally:
            if len(signals) <= 1:
                _clear(move, request, signals, deadline)
        if signals:
            raise KeyboardInterrupt


def _has_moved(move: Move, cluster: Cluster, name: str) -> bool:
    instances = cluster.instances(name)
    if not all(each.managed for each in instances):
        unmanaged = message(25, domain=move.domain)
        raise RefusedError(unmanaged, message(27, domain=move.domain, reason="left half-way"))
    if all(each.target_role == "Stopped" and not each.active for each in instances):
        # By a person, or by another guest's fence: it will be nowhere for long.
        raise RefusedError(message(27, domain=move.domain, reason="stopped meanwhile"))
    nodes = [node for each in instances for node in each.nodes]
    there = nodes == [move.target] if move.target else nodes not in ([], [move.origin])
    return there and cluster.is_started(name)


@contextlib.contextmanager
def _noted() -> Iterator[list[int]]:
    """The signals that would end vm-ctl, instead of its end."""
    signals: list[int] = []
    before = {each: signal.getsignal(each) for each in SIGNALS}
    try:
        for number, handler in before.items():
            # nohup has SIGHUP ignored, and it stays so.
            if handler is not signal.SIG_IGN:
                signal.signal(number, lambda number, _frame: signals.append(number))
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _clear(move: Move, request: Request, signals: Sequence[int], deadline: Deadline) -> None:
    """Behind a migration that goes on after the move has failed, as in maintenance. A signal that
    comes once the user knows of the wait ends it."""
    known: int | None = None
    try:
        while True:
            try:
                transaction.make(partial(plan.unmove, move.domain), request)
                break
            except MigratingError:
                if known is None:
                    known = len(signals)
                    say([message(58, domain=move.domain, seconds=move.lifetime_s())])
                if len(signals) > known or deadline.expired():
                    raise
                time.sleep(waiting.POLL_S)
    except HaError as error:
        # Not the error of the move itself; the constraint ends by itself a little later.
        say([message(54, domain=move.domain, seconds=move.lifetime_s(), reason=error)])
