# SPDX-License-Identifier: GPL-2.0-or-later
"""Abandoned creates: paused QEMUs that a start created and nobody resumed.

A create whose agent was killed stays queued in a stopped libvirtd and is carried out later, on a
host that Pacemaker believes empty (measured). Created paused it never runs; here it is removed. So
is one that libvirt would not resume, such as where a lock on its disk is held by another host.
"""

from __future__ import annotations

import signal

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.subject import forget, note
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
    from pmkvm.virt.qemu import Qemu

_PATIENCE_S = 5.0


def end_abandoned_start(context: Context, subject: Subject) -> bool:
    """Remove what a start left of a domain that it did not bring up; whether one is left that
    nobody will resume: one that holds a memory, which a stop may still save.

    While a start is under way nothing.
    """
    if not subject.identity.is_qemu:
        return False
    try:
        with starting.held_off(context.instance):
            # The start may have come to its end since that was read.
            subject = subject._replace(remembered=record.load(context.instance))
            if not subject.is_starting:
                return False
            had_any = kill_abandoned(context, subject)
            if subject.is_being_created:
                # A create of that start may still come.
                return False
            if had_any:
                forget(context)
            return _is_left_with_memory(context, subject)
    except DeadlineError:
        context.log.debug(f"{subject.identity.name}: a start is under way")
        return False


def end_refused(context: Context, subject: Subject) -> bool:
    """End what a start has created and libvirt will not resume; whether it is gone and never ran.

    To be called by the start that holds the lock. Where it can't be ended the next action knows it
    for an abandoned create. By libvirt first: it takes the end of a QEMU that was killed beside it
    for that of the next one (11.3). Raises HaError and OSError.
    """
    name = subject.identity.name
    if not _has_never_run(context, subject):
        return False
    if subject.remembered is not None and subject.identity.is_qemu:
        note(context, subject.remembered)
    try:
        domain_state.command(
            subject, _patience(context), "destroying", lambda domain: domain.destroy()
        )
    except (LibvirtError, DeadlineError) as error:
        context.log.warning(f"{name}: no destroy: {error}")
    if subject.identity.is_qemu:
        kill_abandoned(context, subject)
        return not domain_state.living(subject)
    status = domain_state.status(subject, _patience(context))
    return status is None or status.state == State.SHUTOFF


def kill_abandoned(context: Context, subject: Subject) -> bool:
    """Kill what never ran of a domain whose start has not come to its end; whether there was any.
    To be called by the start that holds the lock, or while none is under way.

    Raises OcfError GENERIC if one survives.
    """
    name, had_any = subject.identity.name, False
    for process in _abandoned(context, subject):
        context.log.warning(
            f"{name}: QEMU {process.life.pid} was created by a start that did not resume it;"
            " it never ran and is removed"
        )
        if not qemu.kill(process.life, signal.SIGKILL, context.deadline):
            raise OcfError(OcfCode.GENERIC, f"{name}: QEMU {process.life.pid} survives SIGKILL")
        had_any = True
    return had_any


def _has_never_run(context: Context, subject: Subject) -> bool:
    if subject.identity.is_qemu:
        return bool(_abandoned(context, subject))
    status = domain_state.status(subject, _patience(context))
    return status is not None and status.state == State.PAUSED


def _abandoned(context: Context, subject: Subject) -> list[Qemu]:
    """Left out: one that an administrator let run, be it paused now; one that holds a memory which
    no start of ours restored: it arrives, or an administrator restored it."""
    return [
        process
        for process in _unrun(context, subject)
        if not process.guest.is_incoming or _is_our_restore(context, subject)
    ]


def _unrun(context: Context, subject: Subject) -> list[Qemu]:
    """Those whose CPUs have never run, by the kernel's word and by libvirt's."""
    return [
        process
        for process in qemu.find(subject.identity, is_sure=subject.is_clusters)
        if not vcpu.have_run(process.life) and not _runs(context, subject)
    ]


def _is_left_with_memory(context: Context, subject: Subject) -> bool:
    """A killed start's, as far as anybody can tell: neither to be killed nor a guest that runs."""
    unrun = _unrun(context, subject)
    return any(each.guest.is_incoming for each in unrun) and not _arrives(context, subject)


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
    """By libvirt's word. Where its start has asked libvirt to resume it, in doubt it does: a moment
    later the kernel has not counted much."""
    is_resuming = not subject.is_being_created
    try:
        status = domain_state.status(subject, _patience(context))
    except domain_state.SilentError:
        return is_resuming
    if is_resuming:
        return status is None or status.state != State.PAUSED
    return status is not None and status.state == State.RUNNING


def _patience(context: Context) -> Deadline:
    return context.deadline.at_most(min(_PATIENCE_S, context.deadline.remaining() / 2))
