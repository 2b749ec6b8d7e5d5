# SPDX-License-Identifier: GPL-2.0-or-later
"""Abandoned creates: paused QEMUs that a start created and nobody resumed.

A create whose agent was killed stays queued in a stopped libvirtd and is carried out later, on a
host that Pacemaker believes empty (measured). Created paused it never runs; here it is removed.
"""

from __future__ import annotations

import signal

from agents.virtual_domain.guest import domain_state
from pmkvm.errors import DeadlineError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import qemu, record, starting, vcpu
from pmkvm.virt.connection import LibvirtError, State
from pmkvm.virt.job import is_arriving
from pmkvm.virt.record import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context

_PATIENCE_S = 5.0


def end_abandoned_start(context: Context, subject: Subject) -> None:
    """Remove what a killed start left of a domain that is being created.

    While a start is under way nothing.
    """
    try:
        with starting.held_off(context.instance):
            # The start may have come to its end since that was read.
            subject = subject._replace(remembered=record.load(context.instance))
            if subject.is_being_created:
                kill_abandoned(context, subject)
    except DeadlineError:
        context.log.debug(f"{subject.identity.name}: a start is under way")


def kill_abandoned(context: Context, subject: Subject) -> bool:
    """Kill what never ran of a domain that is being created; whether there was any. To be called
    by the start that holds the lock, or while none is under way.

    Left alone: one that an administrator let run, be it paused now; one that holds a memory which
    no start of ours restored: it arrives, or an administrator restored it. Raises OcfError GENERIC
    if one survives.
    """
    name, had_any = subject.identity.name, False
    for process in qemu.find(subject.identity):
        if vcpu.have_run(process.life) or _runs(context, subject):
            continue
        if process.guest.is_incoming and not _is_our_restore(context, subject):
            continue
        context.log.warning(
            f"{name}: QEMU {process.life.pid} was created by a start that was killed;"
            " it never ran and is removed"
        )
        if not qemu.kill(process.life, signal.SIGKILL, context.deadline):
            raise OcfError(OcfCode.GENERIC, f"{name}: QEMU {process.life.pid} survives SIGKILL")
        had_any = True
    return had_any


def _is_our_restore(context: Context, subject: Subject) -> bool:
    remembered = subject.remembered
    is_restoring = remembered is not None and remembered.stage == Stage.RESTORING
    return is_restoring and not _arrives(context, subject)


def _arrives(context: Context, subject: Subject) -> bool:
    """Whether it is a migration's destination: one that a restore left behind looks the same.

    In doubt it is. It can't run by itself, and libvirt, once it answers, tells.
    """
    try:
        return domain_state.command(
            subject, _patience(context), "asking for the job of", is_arriving
        )
    except (LibvirtError, DeadlineError):
        return True


def _runs(context: Context, subject: Subject) -> bool:
    try:
        status = domain_state.status(subject, _patience(context))
    except domain_state.SilentError:
        return False
    return status is not None and status.state == State.RUNNING


def _patience(context: Context) -> Deadline:
    return context.deadline.at_most(min(_PATIENCE_S, context.deadline.remaining() / 2))
