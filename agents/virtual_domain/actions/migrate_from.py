# SPDX-License-Identifier: GPL-2.0-or-later
"""migrate_from: the guest is here, it runs, and nowhere else."""

from __future__ import annotations

import time

from agents.virtual_domain.actions.monitor import look, run_monitor_scripts
from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.fence_check import LOOK_S, Fence, FencedError
from agents.virtual_domain.guest.subject import identify, remember
from agents.virtual_domain.migration import last_target
from agents.virtual_domain.migration.plan import plan
from agents.virtual_domain.options import utilization
from agents.virtual_domain.options.config_file import save_for_all
from pmkvm.errors import DeadlineError
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt.connection import LibvirtError, State
from pmkvm.virt.job import is_arriving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.ocf.context import Context

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
        _wait_until_here(context, subject, fence)
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
    last_target.forget(context)
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


def _wait_until_here(context: Context, subject: Subject, fence: Fence) -> None:
    while True:
        fence.look()
        next_look = context.deadline.at_most(LOOK_S)
        while not next_look.expired():
            verdict = look(context, subject)
            if verdict.lives and _is_complete(context, subject):
                return
            if context.deadline.less(1).expired():
                text = f"{subject.identity.name}: did not arrive: {verdict.reason}"
                raise OcfError(OcfCode.GENERIC, text)
            next_look.pause(domain_state.POLL_S)


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


def _require_left(context: Context, subject: Subject, fence: Fence) -> None:
    """Ask the source's libvirt. Raises OcfError if the guest runs there as well."""
    source = context.meta.get("migrate_source", "")
    if not source:
        return
    name = subject.identity.name
    try:
        there = subject._replace(uri=plan(context, subject.uri, source).remote_uri)
    except OcfError as error:
        context.log.info(f"{name}: {source} can't be asked whether it let go: {error}")
        return
    deadline = context.deadline.less(1).at_most(SOURCE_S)
    while True:
        fence.look()
        try:
            status = fence.during(
                deadline,
                f"asking {source} for the state of {name}",
                lambda: domain_state.status(there, deadline),
            )
        except (domain_state.SilentError, DeadlineError) as error:
            context.log.info(f"{name}: {source} can't be asked whether it let go: {error}")
            return
        if status is None or status.state != State.RUNNING:
            return
        if deadline.less(domain_state.LAST_TRY_S).expired():
            raise OcfError(OcfCode.GENERIC, f"{name}: runs here and on {source}, too")
        deadline.pause(domain_state.POLL_S)
