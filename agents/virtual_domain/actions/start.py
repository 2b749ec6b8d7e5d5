# SPDX-License-Identifier: GPL-2.0-or-later
"""Start: create the guest paused, then resume it, so that a late create is an abandoned create, not
a life.

What this host must remember, and what it does without. Before the create nothing has begun: the
lock, the end of an old pending stop, CREATING (RESTORING, before a memory is restored) are waited
for to the deadline, and a ban is looked for meanwhile. From the create on QEMU decides:

- RESUMING says that a paused QEMU may be resumed where a killed start left it. Where CREATING
  stands instead, the next start kills that QEMU, which never ran, and makes another. One that was
  resumed is told by the time its CPUs have run, and is never taken for an abandoned create.
- What libvirt refuses to resume is ended at once, and CREATING (RESTORING) stands again meanwhile:
  where it can't be ended, the next action knows it for an abandoned create.
- RUNNING has the life and libvirt's uuid. Each monitor tries to write it again, and without it the
  guest is found as at the first monitor, by its definition.
- A record that can't be removed after a create that libvirt refused marks a QEMU that never ran.
"""

from __future__ import annotations

import contextlib

from agents.virtual_domain.actions.monitor import look, run_monitor_scripts
from agents.virtual_domain.guest import cluster_uuid, domain_state
from agents.virtual_domain.guest.abandoned_create import end_refused, kill_abandoned
from agents.virtual_domain.guest.fence_check import Fence, FencedError
from agents.virtual_domain.guest.judgement import judge_living
from agents.virtual_domain.guest.subject import (
    UnwrittenError,
    forget,
    from_definition,
    identify,
    note,
)
from agents.virtual_domain.options import snapshot, utilization
from agents.virtual_domain.starting import creation, live_disks
from agents.virtual_domain.starting.other_hosts import OtherHosts
from pmkvm.errors import DeadlineError, ExhaustedError, HaError, reason_of
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.pacemaker.resource_meta import LAST_DISKS
from pmkvm.virt import qemu, record
from pmkvm.virt.connection import Connection, ErrorCode, LibvirtError, State
from pmkvm.virt.record import Record, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain
    from pmkvm.virt.identity import Identity

# Left of the action's time when creating is given up.
_RESERVE_S = 3.0
# How often what can't be written is tried again.
_FILE_PAUSE_S = 0.5
_SCRIPT_PAUSE_S = 1.0
# Monitor scripts are not run again with less than this left: they would be killed at once.
_SCRIPT_TIME_S = 2.0


class _TryAgainError(HaError):
    """What stands in the way passes by itself."""


class _RefusedError(HaError):
    """libvirt has not resumed what it had created. begun is the record of that create."""

    def __init__(self, error: LibvirtError, begun: Record) -> None:
        super().__init__(str(error))
        self.passes = error.code == ErrorCode.OPERATION_INVALID
        self.begun = begun


_PASSING = (_TryAgainError, domain_state.SilentError, UnwrittenError, ExhaustedError)


def start(context: Context) -> OcfCode:
    """Returns when the guest runs and its monitor scripts are content."""
    deadline = context.deadline.less(_RESERVE_S)
    fence = Fence(context)
    others = OtherHosts(context, fence)
    try:
        with contextlib.ExitStack() as stack:
            _once_possible(
                fence.look_for_ban,
                deadline,
                "its lock can't be made",
                lambda: stack.enter_context(record.lock(context.instance, deadline)),
            )
            fence.require_no_ban(deadline)
            # The next life begins; from here on a pending stop is a fence of this one.
            _once_possible(
                fence.look_for_ban,
                deadline,
                "the pending stop of its last fence can't be removed",
                lambda: pending_stops.remove(context.instance),
            )
            subject = from_definition(context)._replace(remembered=record.load(context.instance))
            is_uuid_new = cluster_uuid.require_same(context, subject.identity, fence)
            subject = _keep_trying(context, subject, fence, others, deadline)
        _wait_until_healthy(context, subject, fence)
    except FencedError as fenced:
        is_owed = fence.settle(identify(context), fenced, always_kill=True)
        # A ban that has gone, and is seen here a moment longer, stops nothing any more: without
        # a pending stop nobody would notice that this guest was not started.
        if is_owed or fence.still_stands():
            return OcfCode.SUCCESS
        return start(context)
    if is_uuid_new:
        cluster_uuid.write(context, subject.identity.uuid)
    live_disks.begin(context, subject, fence.fact(LAST_DISKS))
    if utilization.is_wanted(context):
        utilization.update(context, subject)
    context.log.info(f"{subject.identity.name}: started")
    return OcfCode.SUCCESS


def _keep_trying(
    context: Context, subject: Subject, fence: Fence, others: OtherHosts, deadline: Deadline
) -> Subject:
    """With the lock held, until the guest runs. Raises OcfError, FencedError, DeadlineError."""
    # A probe may have killed the abandoned create of the start before this one.
    had_abandoned = subject.is_being_created
    reason = ""
    while True:
        try:
            subject = _bring_up(
                context, subject, fence, others, deadline, had_abandoned=had_abandoned
            )
            snapshot.drop(context, subject.identity.name)
            return subject
        except (*_PASSING, MemoryError) as error:
            had_abandoned = False
            reason = reason_of(error)
            context.log.debug(f"{subject.identity.name}: {reason}")
            fence.look()
            if deadline.less(domain_state.LAST_TRY_S).expired():
                raise OcfError(OcfCode.GENERIC, f"not started: {reason}") from error
            deadline.pause(domain_state.POLL_S)
        except DeadlineError as error:
            # Of the last try. What stood in the way until then is what a person must know.
            if not reason:
                raise
            text = f"not started: {reason}; then {error}"
            raise OcfError(OcfCode.GENERIC, text) from error


def _once_possible(
    look: Callable[[], None], deadline: Deadline, trouble: str, act: Callable[[], object]
) -> None:
    """Nothing has begun, so a directory of ours that is full, read-only or no directory is waited
    for. look: for a fence meanwhile. Raises what it raises, and OcfError at the deadline."""
    while True:
        try:
            act()
            return
        except OSError as error:
            look()
            if deadline.less(domain_state.LAST_TRY_S).expired():
                raise OcfError(OcfCode.GENERIC, f"not started: {trouble}: {error}") from error
            deadline.pause(_FILE_PAUSE_S)


def _bring_up(
    context: Context,
    subject: Subject,
    fence: Fence,
    others: OtherHosts,
    deadline: Deadline,
    *,
    had_abandoned: bool,
) -> Subject:
    """One attempt, with the lock held. Raises one of _PASSING, or OcfError for good."""
    subject = subject._replace(remembered=record.load(context.instance))
    identity = subject.identity
    if not identity.is_qemu:
        return _bring_up_by_libvirt(context, subject, fence, others, deadline)
    if subject.is_being_created:
        had_abandoned |= kill_abandoned(context, subject)
    lives = domain_state.living(subject)
    if lives:
        _resume_if_begun(context, subject, deadline)
        note(context, Record(identity, Stage.RUNNING, lives[0]))
        return subject
    others.require_ended(subject, deadline)
    fence.during(
        deadline,
        f"making the disk of {identity.name}",
        lambda: creation.prepare(context, subject, deadline),
    )
    _once_possible(
        fence.look,
        deadline,
        "what it is about to do can't be written down",
        lambda: record.store(context.instance, Record(identity, Stage.CREATING)),
    )
    identity = _create_or_end(context, subject, fence, deadline, had_abandoned=had_abandoned)
    lives = qemu.living(identity)
    if not lives:
        fence.look()
        if had_abandoned:
            raise _TryAgainError("QEMU died as soon as it was started, after an abandoned create")
        raise OcfError(OcfCode.GENERIC, f"{identity.name}: QEMU died as soon as it was started")
    started = Record(identity, Stage.RUNNING, lives[0])
    note(context, started)
    return subject._replace(identity=identity, remembered=started)


def _resume_if_begun(context: Context, subject: Subject, deadline: Deadline) -> None:
    """A QEMU is there already: is it a guest, and did a start die just before it resumed it?"""
    status = domain_state.status(subject, deadline)
    verdict = judge_living(status)
    if not verdict.lives:
        # Dying, as a rule; at the deadline it is a failure of the start.
        raise _TryAgainError(verdict.reason)
    remembered = subject.remembered
    resuming = remembered is not None and remembered.stage == Stage.RESUMING
    if resuming and status is not None and status.state == State.PAUSED:
        try:
            domain_state.command(subject, deadline, "resuming", lambda domain: domain.resume())
        except LibvirtError as error:
            # Here libvirt alone may have failed; it must say that the guest is still paused.
            _end_refused(context, subject)
            raise _TryAgainError(str(error)) from error


def _bring_up_by_libvirt(
    context: Context, subject: Subject, fence: Fence, others: OtherHosts, deadline: Deadline
) -> Subject:
    """For hypervisors without a process of their own on this host."""
    status = domain_state.status(subject, deadline)
    if status is None or status.state == State.SHUTOFF:
        others.require_ended(subject, deadline)
        identity = _create_or_end(context, subject, fence, deadline)
        subject = subject._replace(identity=identity)
    started = Record(subject.identity, Stage.RUNNING)
    note(context, started)
    return subject._replace(remembered=started)


def _create_or_end(
    context: Context,
    subject: Subject,
    fence: Fence,
    deadline: Deadline,
    *,
    had_abandoned: bool = False,
) -> Identity:
    """As _create_and_resume(); what libvirt will not resume has been ended."""
    try:
        return _create_and_resume(context, subject, fence, deadline, had_abandoned=had_abandoned)
    except _RefusedError as error:
        begun = error.begun
        context.log.warning(f"{begun.identity.name}: not resumed: {error}")
        _end_refused(context, subject._replace(identity=begun.identity, remembered=begun))
        if had_abandoned or error.passes:
            raise _TryAgainError(str(error)) from error
        raise OcfError(OcfCode.GENERIC, f"libvirt: {error}") from error


def _create_and_resume(
    context: Context,
    subject: Subject,
    fence: Fence,
    deadline: Deadline,
    *,
    had_abandoned: bool = False,
) -> Identity:
    """Create paused, write the stage down, resume. Returns the identity with libvirt's uuid.

    had_abandoned: one was killed a moment ago. libvirt 11.3 was then seen to fail with "domain is
    no longer running", probably since it takes the end of an abandoned create for that of what
    was created since.
    """

    last = fence.fact(LAST_DISKS)

    def work() -> Identity:
        with Connection(subject.uri) as connection:
            domain = None
            try:
                domain = creation.create_paused(context, connection, subject, last)
                identity = subject.identity._replace(uuid=domain.uuid())
                # Again: a ban written while libvirt created it finds an abandoned create, and no
                # life.
                fence.require_no_ban(deadline)
                _resume(context, connection, domain, identity)
                return identity
            except LibvirtError as error:
                passes = had_abandoned or error.code == ErrorCode.OPERATION_INVALID
                if passes or not connection.is_alive():
                    raise _TryAgainError(str(error)) from error
                if domain is None:
                    # libvirt has refused for good, so no create of ours is left in it.
                    forget(context)
                raise OcfError(OcfCode.GENERIC, f"libvirt: {error}") from error
            except OcfError:
                # Nothing was asked of libvirt, so nothing comes of it later.
                forget(context)
                raise

    try:
        return fence.during(deadline, f"starting {subject.identity.name} through libvirt", work)
    except LibvirtError as error:
        raise _TryAgainError(f"libvirt can't be reached: {error}") from error


def _resume(context: Context, connection: Connection, domain: Domain, identity: Identity) -> None:
    """Raises _RefusedError; LibvirtError where the connection broke, so that nobody knows."""
    written = record.load(context.instance)
    is_restored = written is not None and written.stage == Stage.RESTORING
    begun = Record(identity, Stage.RESTORING if is_restored else Stage.CREATING)
    note(context, Record(identity, Stage.RESUMING))
    try:
        domain.resume()
    except LibvirtError as error:
        if connection.is_alive():
            raise _RefusedError(error, begun) from error
        raise


def _end_refused(context: Context, subject: Subject) -> None:
    """What libvirt would not resume. Whatever comes of it, the start fails for libvirt's reason."""
    name, begun = subject.identity.name, subject.remembered
    try:
        if not end_refused(context, subject):
            return
        if begun is not None and begun.stage == Stage.RESTORING:
            snapshot.put_back(context, name)
    except (HaError, OSError, MemoryError) as error:
        context.log.warning(f"{name}: what libvirt did not resume stays: {reason_of(error)}")
        return
    forget(context)


def _wait_until_healthy(context: Context, subject: Subject, fence: Fence) -> None:
    """As a monitor will find it. A guest that dies meanwhile ends the wait at once."""
    while True:
        verdict = look(context, subject)
        if not verdict.lives:
            fence.look()
            raise OcfError(OcfCode.GENERIC, f"{subject.identity.name}: {verdict.reason}")
        try:
            run_monitor_scripts(context, subject)
            return
        except (OcfError, DeadlineError) as error:
            fence.look()
            if context.deadline.less(_SCRIPT_PAUSE_S + _SCRIPT_TIME_S).expired():
                raise OcfError(OcfCode.GENERIC, f"runs, but {error}") from error
            context.deadline.pause(_SCRIPT_PAUSE_S)
