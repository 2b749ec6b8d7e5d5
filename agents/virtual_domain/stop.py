# SPDX-License-Identifier: GPL-2.0-or-later
"""Stop: ask the guest, then libvirt, then the kernel; and say 0 only when QEMU is proven dead."""

from __future__ import annotations

import signal

from agents.virtual_domain import witness
from agents.virtual_domain.fence import LOOK_S, Fence
from agents.virtual_domain.shell import kill_abandoned_shells
from agents.virtual_domain.subject import identify
from pmkvm.errors import DeadlineError
from pmkvm.fencing import debt as debts
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import qemu, record
from pmkvm.virt.connection import LibvirtError, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life

# Kept back for the destroy: libvirt itself waits 10 to 30 s between SIGTERM and SIGKILL.
_DESTROY_SHARE = 1 / 3
_DESTROY_MAX_S = 20.0
# A libvirtd that is being restarted comes back in this time, and the guest is shut down in order.
_LIBVIRT_RETURN_S = 10.0
# A libvirtd that does not tell a state in this time won't destroy either.
_ANSWER_S = 5.0
# A libvirtd that is away is asked again after this.
_RETRY_S = 1.0
# QEMU flushes its image formats' metadata on SIGTERM.
_TERM_S = 5.0
# Left at the end to say that QEMU survived, and at most a quarter of what is left.
_LAST_WORD_S = 1.0


def stop(context: Context) -> OcfCode:
    """Idempotent; a guest whose definition is gone is stopped by what is remembered of it."""
    if not context.text("config") and record.load(context.instance) is None:
        context.log.warning("no parameter config and nothing remembered: never started here")
        return OcfCode.SUCCESS
    subject = identify(context)
    if subject.is_being_created:
        kill_abandoned_shells(context, subject)
    if subject.identity.is_qemu:
        _stop_qemu(context, subject)
    else:
        _stop_by_libvirt(context, subject)
    _forget(context, subject)
    # Proven dead, and this is the stop that a fence of it has owed to Pacemaker.
    debts.remove(context.instance)
    return OcfCode.SUCCESS


def _forget(context: Context, subject: Subject) -> None:
    """But not a create that may still come: its shell must be known for what it is."""
    if not subject.is_being_created:
        record.forget(context.instance)


def _stop_qemu(context: Context, subject: Subject) -> None:
    name = subject.identity.name
    lives = witness.living(subject)
    if not lives:
        return
    if not context.flag("force_stop"):
        _shut_down(context, subject, lives[0])
    if not witness.living(subject):
        context.log.info(f"{name}: shut down")
        return
    context.log.info(f"{name}: destroying it")
    # Half of what is left: libvirt may be stuck, and the kernel needs time as well.
    _destroy(context, subject, context.deadline.at_most(context.deadline.remaining() / 2))
    remaining = context.deadline.remaining()
    for number, patience in (
        (signal.SIGTERM, context.deadline.at_most(min(_TERM_S, remaining / 2))),
        (signal.SIGKILL, context.deadline.less(min(_LAST_WORD_S, remaining / 4))),
    ):
        for process in qemu.find(subject.identity):
            context.log.warning(f"{name}: {number.name} to QEMU {process.life.pid}")
            qemu.kill(process.life, number, patience)
    survivors = qemu.find(subject.identity)
    if survivors:
        raise OcfError(
            OcfCode.GENERIC,
            f"{name}: QEMU {survivors[0].life.pid} survives SIGKILL; is its storage dead?",
        )


def _shut_down(context: Context, subject: Subject, life: Life) -> None:
    """Ask the guest and give it all the time but the destroy's; none under a fence."""
    fence = Fence(context)
    if fence.is_wanted_dead(life):
        return
    remaining = context.deadline.remaining()
    reserve = min(_DESTROY_MAX_S, remaining * _DESTROY_SHARE)
    patience = context.deadline.less(reserve)
    if not _ask_to_shut_down(context, subject, patience):
        return
    next_look = context.deadline.at_most(LOOK_S)
    while not patience.expired() and witness.living(subject):
        if next_look.expired():
            if fence.is_wanted_dead(life):
                return
            next_look = context.deadline.at_most(LOOK_S)
        patience.pause(witness.POLL_S)


def _ask_to_shut_down(context: Context, subject: Subject, patience: Deadline) -> bool:
    """Whether the guest got the request."""
    patience = patience.at_most(_LIBVIRT_RETURN_S)
    while True:
        try:
            witness.command(subject, patience, "shutting down", lambda domain: domain.shutdown())
        except (LibvirtError, DeadlineError) as error:
            context.log.warning(f"{subject.identity.name}: no shutdown: {error}")
            if patience.expired() or not witness.living(subject):
                return False
            patience.pause(_RETRY_S)
        else:
            return True


def _destroy(context: Context, subject: Subject, deadline: Deadline) -> None:
    """Through libvirt first, which then knows; no harm if it can't, and no long wait for it."""
    try:
        witness.status(subject, deadline.at_most(_ANSWER_S))
        witness.command(subject, deadline, "destroying", lambda domain: domain.destroy())
    except (LibvirtError, DeadlineError, witness.SilentError) as error:
        context.log.warning(f"{subject.identity.name}: no destroy: {error}")


def _stop_by_libvirt(context: Context, subject: Subject) -> None:
    """For hypervisors whose only witness is libvirt. Raises OcfError, SilentError."""
    deadline = context.deadline.less(1)
    if _is_off(subject, deadline):
        return
    if not context.flag("force_stop"):
        patience = deadline.less(min(_DESTROY_MAX_S, deadline.remaining() * _DESTROY_SHARE))
        if _ask_to_shut_down(context, subject, patience):
            while not patience.expired() and not _is_off(subject, deadline):
                patience.pause(witness.POLL_S)
    while not _is_off(subject, deadline):
        if deadline.expired():
            raise OcfError(OcfCode.GENERIC, f"{subject.identity.name}: still runs after a destroy")
        _destroy(context, subject, deadline)
        deadline.pause(witness.POLL_S)


def _is_off(subject: Subject, deadline: Deadline) -> bool:
    status = witness.patient_status(subject, deadline)
    return status is None or status.state == State.SHUTOFF
