# SPDX-License-Identifier: GPL-2.0-or-later
"""Stop: ask the guest, then libvirt, then the kernel; and say 0 only when QEMU is proven dead.

What is not needed to find a guest dead, and to kill it, is imported where it is used: a stop that
fails for lack of memory has this host fenced.
"""

from __future__ import annotations

import signal

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.subject import forget, identify
from agents.virtual_domain.stopping import budget
from pmkvm import process
from pmkvm.errors import DeadlineError, is_exhaustion, reason_of
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import qemu, record
from pmkvm.virt.connection import LibvirtError, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.virtual_domain.guest.fence_check import Fence
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life

# A libvirtd that does not tell a state in this time won't destroy either.
_ANSWER_S = 5.0
# Kept back of the action's time, to say how it went.
_RESERVE_S = 1.0


def stop(context: Context) -> OcfCode:
    """Idempotent; a guest whose definition is gone is stopped by what is remembered of it."""
    if not context.text("config") and record.load(context.instance) is None:
        context.log.warning("no parameter config and nothing remembered: never started here")
        return OcfCode.SUCCESS
    subject = identify(context)
    if subject.is_guess:
        from agents.virtual_domain.guest import cluster_uuid

        cluster_uuid.require_told(context, subject)
    asks = not context.flag("force_stop")
    if subject.is_starting:
        from agents.virtual_domain.guest.abandoned_create import end_abandoned_start

        # One that was never resumed hears no request; its memory can be saved again.
        if end_abandoned_start(context, subject) and not context.text("snapshot"):
            asks = False
    is_definition_new = end(context, subject, asks=asks)
    _clean_up(context, subject)
    if is_definition_new and context.flag("sync_config_on_stop"):
        from agents.virtual_domain.options import config_file

        config_file.sync(context, context.deadline.less(_RESERVE_S))
    return OcfCode.SUCCESS


def end(context: Context, subject: Subject, *, asks: bool) -> bool:
    """Returns when the guest is proven dead here: whether its definition was changed while it ran,
    and has been saved. Raises OcfError, and SilentError where libvirt is the only witness."""
    stop_it = _stop_qemu if subject.identity.is_qemu else _stop_by_libvirt
    return stop_it(context, subject, asks=asks)


def _clean_up(context: Context, subject: Subject) -> None:
    """It is proven dead, whatever of this host's memory can't be removed.

    A pending stop that stays is settled: vm-stonithd, which sees this stop in the CIB, removes it
    when that can be done, and so does the next start before it begins. Until then it is void beside
    a later life, and after five minutes.
    """
    # A create may still come: its abandoned create must be known for what it is.
    if not subject.is_being_created:
        forget(context)
    try:
        pending_stops.remove(context.instance)
    except OSError as error:
        context.log.warning(
            f"{subject.identity.name}: the pending stop of its fence stays: {error}"
        )


def _stop_qemu(context: Context, subject: Subject, *, asks: bool) -> bool:
    lives = domain_state.living(subject)
    if not lives:
        return False
    is_definition_new = asks and _ask(context, subject, lives[0])
    if domain_state.living(subject):
        _end(context, subject)
    else:
        context.log.info(f"{subject.identity.name}: shut down")
    return is_definition_new


def _end(context: Context, subject: Subject) -> None:
    """Libvirt first, then the kernel. Raises OcfError if QEMU survives."""
    name = subject.identity.name
    context.log.info(f"{name}: destroying it")
    time = budget.destroy(context.deadline.remaining())
    _destroy(context, subject, context.deadline.at_most(time.libvirt_s))
    for number, seconds in ((signal.SIGTERM, time.term_s), (signal.SIGKILL, time.kill_s)):
        for each in _all_living(subject):
            context.log.warning(f"{name}: {number.name} to QEMU {each.pid}")
            qemu.kill(each, number, context.deadline.at_most(seconds))
    survivors = _all_living(subject)
    if survivors:
        raise OcfError(
            OcfCode.GENERIC,
            f"{name}: QEMU {survivors[0].pid} survives SIGKILL; is its storage dead?",
        )


def _all_living(subject: Subject) -> list[Life]:
    """The remembered one and, beside it or when it is gone, any other.

    While that one lives it is the one to be ended, whoever else has taken its name.
    """
    life = subject.remembered_life
    if life is None or not process.is_alive(life):
        return qemu.living(subject.identity, is_sure=subject.is_clusters)
    try:
        others = qemu.living(subject.identity, is_sure=subject.is_clusters)
        return [life, *(each for each in others if each != life)]
    except qemu.ForeignQemuError:
        return [life]


def _ask(context: Context, subject: Subject, life: Life) -> bool:
    """Give the guest all the time but the destroy's; none under a fence.

    A host that lacks memory or threads for that is given the same time, and is in nobody's way
    after it: to kill takes neither.
    """
    patience = context.deadline.less(_margin_s(context, context.deadline))
    while True:
        try:
            return _ask_once(context, subject, life)
        except Exception as error:
            if not is_exhaustion(error):
                raise
            if patience.less(domain_state.LAST_TRY_S).expired():
                return False
        patience.pause(domain_state.POLL_S)


def _ask_once(context: Context, subject: Subject, life: Life) -> bool:
    from agents.virtual_domain.guest.fence_check import Fence

    fence = Fence(context)
    if fence.is_wanted_dead(life):
        return False
    is_definition_new = _save_definition(context, subject)
    _tell_of_disks(context, subject, context.deadline, fence)
    _shut_down(
        context,
        subject,
        context.deadline,
        is_gone=lambda: not domain_state.living(subject),
        is_wanted_dead=lambda: fence.is_wanted_dead(life),
    )
    return is_definition_new


def _save_definition(context: Context, subject: Subject) -> bool:
    """Whether there was something new."""
    if not (context.flag("save_config_on_stop") or context.flag("sync_config_on_stop")):
        return False
    from agents.virtual_domain.options import config_file

    return config_file.save(context, subject, context.deadline)


def _tell_of_disks(
    context: Context, subject: Subject, deadline: Deadline, fence: Fence | None
) -> None:
    """A start elsewhere may not know of those that it has by now. Without memory for it the guest
    is asked to shut down all the same."""
    try:
        from agents.virtual_domain.starting import live_disks

        live_disks.end(context, subject, deadline, fence)
    except Exception as error:
        if not is_exhaustion(error):
            raise


def _shut_down(
    context: Context,
    subject: Subject,
    deadline: Deadline,
    *,
    is_gone: Callable[[], bool],
    is_wanted_dead: Callable[[], bool],
) -> None:
    """By the guest's own doing, or by saving its memory, while there is time for that."""
    from agents.virtual_domain.stopping.shutdown import shut_down

    patience = deadline.less(_margin_s(context, deadline))
    if context.text("snapshot"):
        from agents.virtual_domain.options import snapshot

        if snapshot.save(context, subject, patience, is_wanted_dead) or is_wanted_dead():
            return
    shut_down(context, subject, patience, is_gone=is_gone, is_wanted_dead=is_wanted_dead)


def _margin_s(context: Context, deadline: Deadline) -> float:
    return budget.destroy_margin(deadline.remaining(), context.number("destroy_margin"))


def _destroy(context: Context, subject: Subject, deadline: Deadline) -> None:
    """Through libvirt first, which then knows; no harm if it can't, and no long wait for it."""
    try:
        domain_state.status(subject, deadline.at_most(_ANSWER_S))
        domain_state.command(subject, deadline, "destroying", lambda domain: domain.destroy())
    except (LibvirtError, DeadlineError, domain_state.SilentError, MemoryError) as error:
        context.log.warning(f"{subject.identity.name}: no destroy: {reason_of(error)}")


def _stop_by_libvirt(context: Context, subject: Subject, *, asks: bool) -> bool:
    """For hypervisors whose only witness is libvirt. Raises OcfError, SilentError."""
    deadline = context.deadline.less(_RESERVE_S)
    is_definition_new = False
    if _is_off(subject, deadline):
        return is_definition_new
    if asks:
        is_definition_new = _save_definition(context, subject)
        _tell_of_disks(context, subject, deadline, None)
        _shut_down(
            context,
            subject,
            deadline,
            is_gone=lambda: _is_off(subject, context.deadline),
            is_wanted_dead=lambda: False,
        )
    is_destroyed = False
    while not _is_off(subject, context.deadline):
        if is_destroyed and deadline.expired():
            raise OcfError(OcfCode.GENERIC, f"{subject.identity.name}: still runs after a destroy")
        _destroy(context, subject, context.deadline)
        is_destroyed = True
        deadline.pause(domain_state.POLL_S)
    return is_definition_new


def _is_off(subject: Subject, deadline: Deadline) -> bool:
    status = domain_state.patient_status(subject, deadline)
    return status is None or status.state == State.SHUTOFF
