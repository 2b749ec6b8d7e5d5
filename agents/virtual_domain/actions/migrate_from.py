# SPDX-License-Identifier: GPL-2.0-or-later
"""migrate_from: the guest is here, it runs, and nowhere else. After a cold move it starts here."""

from __future__ import annotations

import time

from agents.virtual_domain.actions.monitor import look, run_monitor_scripts
from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.fence_check import LOOK_S, Fence, FencedError
from agents.virtual_domain.guest.subject import from_definition, identify, remember
from agents.virtual_domain.migration import cold_move
from agents.virtual_domain.migration.plan import plan
from agents.virtual_domain.options import utilization
from agents.virtual_domain.options.config_file import save_for_all
from agents.virtual_domain.starting import live_disks
from pmkvm.errors import DeadlineError
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt.connection import LibvirtError, State
from pmkvm.virt.job import is_arriving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from agents.virtual_domain.migration.cold_move import Handover
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Status

# libvirt here answers in this time or counts as silent.
_ANSWER_S = 30.0
# The source has proven by its own process table that it let go; this is a second opinion.
SOURCE_S = 5.0


def migrate_from(context: Context) -> OcfCode:
    """On the target: returns when the guest runs here."""
    subject = identify(context)
    name = subject.identity.name
    fence = Fence(context, _void_pending_stop(context, subject))
    try:
        handover = _wait_until_here(context, subject, fence)
        if handover is not None:
            return _start_here(context, fence, handover)
        _require_left(context, subject, fence)
        fence.during(
            context.deadline,
            f"saving the definition of {name}",
            lambda: save_for_all(context, subject),
        )
    except FencedError as fenced:
        fence.settle(subject, fenced)
        return OcfCode.SUCCESS
    lives = domain_state.own_living(subject)
    remember(context, subject, lives[0] if lives else None)
    live_disks.begin(context, subject)
    run_monitor_scripts(context, subject)
    if utilization.is_wanted(context):
        utilization.update(context, subject)
    context.log.info(f"{name}: arrived")
    return OcfCode.SUCCESS


def _void_pending_stop(context: Context, subject: Subject) -> PendingStop | None:
    """One of an earlier life, which nobody could remove: it says nothing of the guest that came."""
    pending_stop = pending_stops.load(context.instance)
    is_void = pending_stop is not None and pending_stop.is_void(
        domain_state.own_living(subject), time.monotonic()
    )
    return pending_stop if is_void else None


def _wait_until_here(context: Context, subject: Subject, fence: Fence) -> Handover | None:
    """Returns with the guest here, or with what tells that it is dead and to be started here."""
    source = context.meta.get("migrate_source", "")
    while True:
        fence.look()
        next_look, was_dead = context.deadline.at_most(LOOK_S), False
        while not next_look.expired():
            verdict = look(context, subject)
            if verdict.lives and _is_complete(context, subject):
                return None
            if verdict.code == OcfCode.NOT_RUNNING and not was_dead:
                was_dead = True
                handover = cold_move.handed_over(context, source)
                if handover is not None:
                    return handover
            if context.deadline.less(1).expired():
                text = f"{subject.identity.name}: did not arrive: {verdict.reason}"
                raise OcfError(OcfCode.GENERIC, text)
            next_look.pause(domain_state.POLL_S)


def _start_here(context: Context, fence: Fence, handover: Handover) -> OcfCode:
    """The source has proven the guest dead, and this host's process table has none of it.

    Not if the definition here is of another guest, nor against the word of libvirt there.
    """
    from agents.virtual_domain.actions.start import start

    subject = from_definition(context)
    name, source = subject.identity.name, context.meta["migrate_source"]
    if not handover.is_of(subject.identity):
        raise OcfError(
            OcfCode.INSTALLED,
            f"{context.text('config')} here is of {name} ({subject.identity.uuid}), and"
            f" {source} has handed over {handover.name} ({handover.uuid})",
        )
    _require_left(context, subject, fence, is_cold=True)
    context.log.info(f"{name}: has ended on {source} and starts here")
    code = start(context)
    cold_move.take_back(context, source)
    return code


def _is_complete(context: Context, subject: Subject) -> bool:
    """Not merely paused while its memory arrives. A silent libvirt is no obstacle."""
    deadline = context.deadline.at_most(_ANSWER_S)
    try:
        status = domain_state.status(subject, deadline)
        if status is None or status.state != State.PAUSED:
            return status is not None
        # Paused when it left, by a person or by its disk, it is so here.
        return not domain_state.command(subject, deadline, "asking for the job of", is_arriving)
    except (domain_state.SilentError, LibvirtError, DeadlineError):
        return True


def _require_left(
    context: Context, subject: Subject, fence: Fence, *, is_cold: bool = False
) -> None:
    """Ask the source's libvirt. Raises OcfError if the guest runs there as well; before it starts
    here, if it lives there."""
    name, source = subject.identity.name, context.meta.get("migrate_source", "")
    there = _at_the_source(context, subject, source)
    if there is None:
        return
    deadline = context.deadline.less(1).at_most(SOURCE_S)
    lives_there = False
    while True:
        fence.look()
        try:
            status = fence.during(
                deadline,
                f"asking {source} for the state of {name}",
                lambda: domain_state.status(there, deadline),
            )
        except (domain_state.SilentError, DeadlineError) as error:
            # Silence does not take back what it has said.
            if not lives_there:
                context.log.info(f"{name}: {source} can't be asked whether it let go: {error}")
                return
        else:
            lives_there = _is_alive(status, is_cold=is_cold)
        if not lives_there:
            return
        if deadline.less(domain_state.LAST_TRY_S).expired():
            text = "is to start here, and lives on" if is_cold else "runs here, and also on"
            raise OcfError(OcfCode.GENERIC, f"{name}: {text} {source}")
        deadline.pause(domain_state.POLL_S)


def _at_the_source(context: Context, subject: Subject, source: str) -> Subject | None:
    if not source:
        return None
    try:
        return subject._replace(uri=plan(context, subject.uri, source).remote_uri)
    except OcfError as error:
        name = subject.identity.name
        context.log.info(f"{name}: {source} can't be asked whether it let go: {error}")
        return None


def _is_alive(status: Status | None, *, is_cold: bool) -> bool:
    """Beside a guest that runs here an abandoned create may still be paused there."""
    if status is None:
        return False
    return status.state != State.SHUTOFF if is_cold else status.state == State.RUNNING
