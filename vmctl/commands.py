# SPDX-License-Identifier: GPL-2.0-or-later
"""Each verb of vm-ctl: gather facts, have the change planned and made, wait."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pmkvm import output
from pmkvm.columns import table
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker import cib, names, programs, reasons, resource, status, tools, waiting
from pmkvm.pacemaker.document import CibDocument
from pmkvm.thread_call import call_in_thread
from pmkvm.virt import hindrances, survey
from pmkvm.virt.connection import Connection
from pmkvm.virt.definition import parse, ports, read, read_identity
from pmkvm.virt.identity import DefinitionError
from pmkvm.virt.job import job_of
from vmctl import checks, list_table, live_move, move, plan, transaction
from vmctl.messages import RefusedError, message, refuse, say, why

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pmkvm.pacemaker.parameter import Parameter
    from pmkvm.pacemaker.status import Cluster
    from pmkvm.virt.survey import Survey
    from vmctl.command_line import Request
    from vmctl.configuration import Configuration
    from vmctl.move import Move

QUERY_S = transaction.QUERY_S


class Session(NamedTuple):
    """What one run of vm-ctl has to go by."""

    request: Request
    configuration: Configuration


def add(session: Session) -> None:
    request, configuration = session
    agent = configuration.agent_path()
    if not (tools.is_offline() or os.path.isfile(agent)):
        where = f"{configuration.path}: vm_ocf"
        refuse([message(91, where=where, agent=configuration.text("vm_ocf"), path=agent)])
    cluster = _cluster()
    paths = {each: configuration.definition(each) for each in request.domains}
    undefined = [each for each in paths if not os.path.isfile(paths[each])]
    without_uuid = [each for each in paths if _has_no_uuid(paths[each])]
    known = _survey(session, cluster)
    kept, restarts = survey.kept_here(known, request.domains), survey.restarts_guests()
    facts = checks.Facts(cluster, known, undefined, restarts, kept, without_uuid)
    say(checks.warnings(request, configuration, facts))
    transaction.make(lambda r: plan.add(request, configuration, facts, r), request)


def _has_no_uuid(path: str) -> bool:
    """Of a definition that can't be read nothing is known."""
    try:
        return not read_identity(path).uuid
    except (OSError, DefinitionError):
        return False


def _cluster() -> Cluster:
    cluster = status.query(Deadline(QUERY_S))
    doing = [f"{each.id} {each.pending}" for each in cluster.resources if each.pending]
    if doing:
        more = f" and {len(doing) - 1} more" if len(doing) > 1 else ""
        say([message(43, doing=doing[0] + more)])
    return cluster


def _survey(session: Session, cluster: Cluster) -> Survey:
    """This host's libvirt, and in a cluster those of the other hosts that are online."""
    request, configuration = session
    offline = tools.is_offline()
    local = "this host" if offline else resource.local_node(Deadline(QUERY_S))
    nodes = {local} if offline else {local, *cluster.online_hosts()}
    uris = {node: _uri(configuration, node, local) for node in nodes}
    found = survey.survey(local, uris, request.domains)
    if local not in found.silent:
        return found
    if not offline:
        # Unknown is not "not defined", and not "not running" either.
        raise RefusedError(message(5, reason=f"libvirt on {local}: {found.silent[local]}"))
    say([message(41, reason=found.silent[local])])
    return found._replace(silent={})


def _uri(configuration: Configuration, node: str, local: str) -> str:
    """Of a node's libvirt, as the local node has it."""
    uri = configuration.text("vm_hypervisor")
    transport = configuration.text("vm_migration_transport")
    return uri if node == local else survey.remote_uri(uri, transport, node)


def delete(session: Session) -> None:
    domains, cluster = session.request.domains, _cluster()
    transaction.make(lambda r: plan.delete(domains, cluster, r, time.time()), session.request)


def _role(session: Session, wanted: str, reached: Callable[[Cluster, str], bool]) -> None:
    request, domains = session.request, session.request.domains
    _cluster()
    cib_document = transaction.make(lambda r: plan.role(domains, wanted, r), request)
    if request.verb == "start":
        say(plan.held(domains, cib_document, time.time()))
        if any(plan.expired(domains, cib_document, time.time())):
            transaction.make(lambda r: r.discard(plan.expired(domains, r, time.time())), request)
    if request.dry_run or request.no_wait or tools.is_offline():
        return
    timeouts = (cib_document.timeout_s(each, request.verb) for each in domains)
    patience_s = max(timeouts) + waiting.SLACK_S
    resources = [names.resource(domain) for domain in domains]
    outcome = waiting.wait_for(resources, reached, patience_s, wanted.lower)
    found = outcome.cluster
    if request.verb == "start":
        say(checks.failed_elsewhere(set(resources) - set(outcome.late), found))
    number = 77 if outcome.is_settled else 37
    arguments = {"state": wanted.lower(), "seconds": round(patience_s)}
    after = CibDocument(cib.query(Deadline(QUERY_S))) if outcome.late else cib_document
    late = ((names.domain(each), reasons.of(each, after, found)) for each in outcome.late)
    refuse(message(number, domain=each, reason=why(said), **arguments) for each, said in late)


def move_(session: Session) -> None:
    request = session.request
    (domain,), target = request.domains, request.node
    document = cib.query(Deadline(QUERY_S))
    cib_document, cluster = CibDocument(document), _cluster()
    intended = move.check(domain, target, cib_document, cluster)
    if target == intended.origin:
        say([message(21, domain=domain, node=target)])
        return
    scores = move.scores_without(domain, document)
    move.check_scores(intended, scores, cib_document, cluster)
    say(checks.remote_node(target or "", session.configuration, cluster))
    move.look_ahead(intended, scores, cib_document)
    if move.is_live(domain, cib_document) and not tools.is_offline():
        _check_ends(session, intended, move.targets(intended, scores, cluster), cib_document)
    if request.dry_run or request.no_wait:
        move.begin(intended, request)
        if not request.dry_run:
            say([message(53, domain=domain, seconds=intended.lifetime_s())])
    elif tools.is_offline():
        reason = "a CIB file moves nothing; --dry-run shows the constraints"
        raise move.not_begun(5, domain, reason=reason)
    else:
        with transaction.lock(names.resource(domain)):
            local = resource.local_node(Deadline(QUERY_S))
            uri = _uri(session.configuration, intended.origin, local)
            move.carry_out(intended, request, cib_document, lambda: figures(domain, uri))


def _check_ends(
    session: Session, intended: Move, targets: Sequence[str], cib_document: CibDocument
) -> None:
    """Raises RefusedError."""
    domain, origin = intended.domain, intended.origin
    transport, doubt = live_move.transport(domain, cib_document, session.configuration)
    if os.geteuid():
        # The agent is root: the socket and the keys are root's.
        doubt = "vm-ctl does not run as root"
    if doubt:
        say(live_move.messages([hindrances.not_asked(domain, origin, targets, doubt)]))
        return
    local = resource.local_node(Deadline(QUERY_S))
    live_move.check(hindrances.Ends(domain, local, origin, targets, transport))


def figures(domain: str, uri: str) -> str:
    """How far a live migration is, as the libvirt has it that the guest comes from."""

    def ask() -> str:
        with Connection(uri) as connection:
            guest = connection.lookup(domain)
            job = guest and job_of(guest)
            return f"moved: {job.processed_mib} of {job.total_mib} MiB" if job else "moved"

    try:
        return call_in_thread(Deadline(survey.ANSWER_S), "asking libvirt", ask)
    except HaError:
        return "moved"


def unmove(session: Session) -> None:
    (domain,) = session.request.domains
    transaction.make(lambda r: plan.unmove(domain, r), session.request)


def list_(session: Session) -> None:
    request = session.request
    cib_document = CibDocument(cib.query(Deadline(QUERY_S)))
    cluster = status.query(Deadline(QUERY_S))
    known = list_table.Known(cib_document, cluster, time.time(), _portless(cib_document))
    if request.node is not None:
        refuse(checks.unfit_node(request.node, cib_document, cluster))
        rows = list_table.on_node(request.node, known)
    else:
        checks.registered(request.domains, cib_document)
        wanted = request.domains or cib_document.domains()
        rows = [list_table.row(domain, known) for domain in wanted]
    if request.json:
        output.write(list_table.as_json(rows))
    else:
        output.write(table(list_table.HEADINGS, rows))


def _portless(cib_document: CibDocument) -> list[str]:
    """The guests whose definition on this host has no port for vm-connectd, where that is used."""
    if not programs.running(programs.CONNECTD, cib_document.configuration):
        return []

    def look() -> list[str]:
        return [each.id for each in cib_document.guests() if _has_no_port(each.config)]

    try:
        return call_in_thread(Deadline(survey.ANSWER_S), "reading definitions", look)
    except HaError:
        # A mount that hangs tells nothing.
        return []


def _has_no_port(config: Parameter) -> bool:
    """Of a definition that can't be read nothing is known."""
    try:
        return not ports(parse(read(config.value), config.value)) if config.value else False
    except (OSError, ValueError, DefinitionError):
        return False


def locate(session: Session) -> None:
    request, configuration = session
    cluster = _cluster()

    stopped: list[str] = []

    def planned(cib_document: CibDocument) -> None:
        checks.registered(request.domains, cib_document)
        domains = request.domains or plan.preferring(request.from_node or "", cib_document, cluster)
        stopped[:] = plan.locate(domains, cluster, configuration, cib_document)

    made = transaction.make(planned, request)
    say(message(80, domain=each, node=made.preferred(each) or "none") for each in stopped)


VERBS: dict[tuple[str, str], Callable[[Session], None]] = {
    ("resource", "add"): add,
    ("resource", "delete"): delete,
    ("resource", "start"): partial(_role, wanted="Started", reached=status.Cluster.is_started),
    ("resource", "stop"): partial(_role, wanted="Stopped", reached=status.Cluster.is_stopped),
    ("resource", "move"): move_,
    ("resource", "unmove"): unmove,
    ("resource", "list"): list_,
    ("location", "move"): locate,
}
