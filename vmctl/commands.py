# SPDX-License-Identifier: GPL-2.0-or-later
"""Each verb of vm-ctl: gather facts, have the change planned, carry it out, wait."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NamedTuple

from lxml import etree

from pmkvm import files, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.pacemaker import cib, resource, status, tools
from vmctl import domains, list_table, movement, names, plan, waiting
from vmctl.messages import Message, RefusedError, message
from vmctl.registry import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vmctl.command_line import Request
    from vmctl.configuration import Configuration
    from vmctl.domains import Ask, Survey

# A change of a large CIB is validated and written to disk on every node before it is answered.
CHANGE_S = 120.0
LOCK_S = 60.0
QUERY_S = 30.0


class Session(NamedTuple):
    """What one run of vm-ctl has to go by."""

    request: Request
    configuration: Configuration
    ask: Ask


def add(session: Session) -> None:
    request, configuration, _ask = session
    cluster = status.query(Deadline(QUERY_S))
    survey = _survey(session, cluster)
    undefined = [
        each for each in request.domains if not os.path.isfile(configuration.definition(each))
    ]

    def planned(registry: Registry) -> etree._Element:
        return plan.add(request, configuration, plan.Facts(registry, cluster, survey, undefined))

    _warn(plan.warnings(configuration, survey))
    _merge(session, planned)


def _survey(session: Session, cluster: status.Cluster) -> Survey:
    """This host's libvirt, and in a cluster those of the other hosts that are online."""
    hypervisor = session.configuration.hypervisor
    if tools.is_offline():
        found = domains.survey("this host", {"this host": hypervisor}, session.ask)
        if found.local is None:
            _warn([message(41, reason=found.silent["this host"])])
        return found._replace(silent={})
    local = resource.local_node(Deadline(QUERY_S))
    uris = {
        node: domains.remote_uri(hypervisor, session.configuration.transport, node)
        for node in cluster.online_members()
    }
    uris[local] = hypervisor
    found = domains.survey(local, uris, session.ask)
    if found.local is None:
        # Unknown is not "not defined", and not "not running" either.
        raise RefusedError(message(5, reason=f"libvirt on {local}: {found.silent[local]}"))
    return found


def delete(session: Session) -> None:
    request = session.request
    cluster = status.query(Deadline(QUERY_S))
    done = False

    def planned(document: str) -> cib.Change | None:
        nonlocal done
        registry = Registry(document)
        if done and not any(registry.primitive(each) is not None for each in request.domains):
            return None
        done = True
        return cib.Change(removed=plan.delete(request.domains, registry, cluster))

    if request.dry_run:
        change = planned(cib.query(Deadline(QUERY_S)))
        _print_removed(Registry(cib.query(Deadline(QUERY_S))), change)
        return
    with _lock("vm-ctl"):
        cib.change(planned, Deadline(CHANGE_S))


def start(session: Session) -> None:
    _role(session, "Started", waiting.is_started)


def stop(session: Session) -> None:
    _role(session, "Stopped", waiting.is_stopped)


def _role(session: Session, wanted: str, reached: Callable[[status.Cluster, str], bool]) -> None:
    request = session.request
    registry: Registry | None = None

    def planned(current: Registry) -> etree._Element | None:
        nonlocal registry
        registry = current
        return plan.role(request.domains, current, wanted)

    _merge(session, planned)
    if request.dry_run or request.no_wait or tools.is_offline() or registry is None:
        return
    default = movement.DEFAULT_TIMEOUT_S
    patience = max(registry.timeout_s(d, request.verb, default) for d in request.domains)
    resources = [names.resource(domain) for domain in request.domains]
    doing = f"waiting for {wanted.lower()}"
    outcome = waiting.wait_for(resources, reached, patience + waiting.SLACK_S, doing)
    plan.refuse(_late(outcome, wanted))


def _late(outcome: waiting.Outcome, wanted: str) -> Iterator[Message]:
    for each in outcome.late:
        reason = waiting.why(outcome.cluster, each)
        words = {"state": wanted.lower(), "seconds": round(outcome.patience_s), "reason": reason}
        yield message(37, domain=names.domain(each), **words)


def move(session: Session) -> None:
    (domain,), target = session.request.domains, session.request.node
    registry = Registry(cib.query(Deadline(QUERY_S)))
    intended = movement.check(domain, target, registry, status.query(Deadline(QUERY_S)))
    if target == intended.origin:
        _warn([message(21, domain=domain, node=target)])
        return
    scores = resource.allocation_scores(names.resource(domain), Deadline(QUERY_S))
    movement.check_scores(intended, scores)
    if session.request.dry_run:
        rehearsed = etree.fromstring(movement.rehearse(intended).encode())
        _print([e for e in rehearsed if str(e.get("id")).startswith(names.MOVE_PREFIXES)])
        return
    if tools.is_offline():
        text = "a CIB file moves nothing; --dry-run shows the constraints"
        raise RefusedError(message(5, reason=text), message(26, domain=domain))
    with _lock(names.resource(domain)):
        movement.carry_out(intended)


def list_(session: Session) -> None:
    request = session.request
    registry = Registry(cib.query(Deadline(QUERY_S)))
    cluster = status.query(Deadline(QUERY_S))
    if request.node is not None:
        if request.node not in registry.nodes():
            raise RefusedError(message(16, node=request.node))
        rows = list_table.on_node(request.node, registry, cluster)
    else:
        plan.refuse(plan.unregistered(request.domains, registry))
        wanted = request.domains or registry.domains()
        rows = [list_table.row(domain, registry, cluster) for domain in wanted]
    sys.stdout.write(list_table.table(rows) + "\n")


VERBS: dict[tuple[str, str], Callable[[Session], None]] = {
    ("resource", "add"): add,
    ("resource", "delete"): delete,
    ("resource", "start"): start,
    ("resource", "stop"): stop,
    ("resource", "move"): move,
    ("resource", "list"): list_,
}


def _merge(session: Session, planned: Callable[[Registry], etree._Element | None]) -> None:
    """One change of the CIB with what is planned on its current state, or its text on stdout."""
    if session.request.dry_run:
        document = planned(Registry(cib.query(Deadline(QUERY_S))))
        _print([] if document is None else [document])
        return

    def wanted(document: str) -> cib.Change | None:
        merged = planned(Registry(document))
        if merged is None:
            return None
        return cib.Change(merged=etree.tostring(merged, encoding="unicode"))

    with _lock("vm-ctl"):
        cib.change(wanted, Deadline(CHANGE_S))


def _print(elements: Iterable[etree._Element]) -> None:
    for element in elements:
        etree.indent(element)
        sys.stdout.write(etree.tostring(element, encoding="unicode").rstrip() + "\n")


def _print_removed(registry: Registry, change: cib.Change | None) -> None:
    """A patch, as cibadmin --patch takes it, of what goes."""
    diff = etree.Element("diff", {"format": "2"})
    for element in registry.select(cib.selection(change.removed if change else (), "/cib")):
        path = registry.path(element)
        etree.SubElement(diff, "change", {"operation": "delete", "path": path})
    _print([diff])


def _warn(messages: Iterable[Message]) -> None:
    for each in messages:
        sys.stderr.write(f"vm-ctl: {each}\n")


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """One vm-ctl at a time on this host; between hosts the CIB's version decides."""
    if tools.is_offline():
        yield
        return
    os.makedirs(settings.RUN_DIR, mode=0o755, exist_ok=True)
    held = files.Lock(os.path.join(settings.RUN_DIR, f"{name}.lock"), Deadline(LOCK_S))
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held)
        except DeadlineError as error:
            raise RefusedError(message(17, reason=str(error))) from error
        yield
