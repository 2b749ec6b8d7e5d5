# SPDX-License-Identifier: GPL-2.0-or-later
"""migrate_to: judged by where the guest is afterwards, given up before Pacemaker's kill."""

from __future__ import annotations

import time

from agents.virtual_domain.actions import stop
from agents.virtual_domain.actions.monitor import look
from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.fence_check import Fence, FencedError
from agents.virtual_domain.guest.subject import identify
from agents.virtual_domain.migration import cold_move, jobs, outcome
from agents.virtual_domain.migration.plan import Migration, plan
from agents.virtual_domain.migration.progress import Progress, limit_downtime
from agents.virtual_domain.options.config_file import save_for_all
from pmkvm import knock
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, ExhaustedError, is_exhaustion
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import definition, job
from pmkvm.virt.connection import Connection, ErrorCode, LibvirtError, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.errors import HaError
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain

# Kept back so that a migration that takes too long is aborted and the guest seen to stay.
_ABORT_SHARE = 0.1
_ABORT_MIN_S = 2.0
_ABORT_MAX_S = 10.0
# Of that, for the abort of a libvirt that may be stuck; the rest is to find out where the guest is.
_ABORT_PART = 0.5
# The other libvirtd answers in this time or not at all.
_CONNECT_S = 30.0
# How long the other end may take to be rid of what stands in the way, and when to try again.
_CLEAR_S = 10.0
_RETRY_S = 0.5
# The other end tells in this time or counts as silent.
_ASK_S = 5.0
# Of the action's time, kept back from a job that is waited for: for the migration, or for the end
# of a guest that can't leave alive.
_STOP_S = 90.0
_STOP_SHARE = 0.5
# To hand over a guest that has ended.
_HAND_OVER_S = 3.0
_HAND_OVER_SHARE = 0.2
# How long a QEMU takes to end after libvirt has reported the migration's success.
_LEAVE_S = 10.0
# How long the storage of a file of migrate_options may take to answer.
_FILE_S = 5.0
# Left to judge what is wrong if it does not.
_JUDGE_S = 2.0
# What a try of this action may have begun.
_ASKED = "migration"


def migrate_to(context: Context) -> OcfCode:
    """On the source. An error leaves the guest here, and says so; the other end is gone then."""
    target = context.meta.get("migrate_target", "")
    if not target:
        raise OcfError(OcfCode.ARGS, "migrate_to without OCF_RESKEY_CRM_meta_migrate_target")
    subject = identify(context)
    fence = Fence(context, pending_stops.load(context.instance))
    cold_move.begin(context)
    try:
        try:
            _migrate_alive(context, subject, fence, target)
        except outcome.NothingMovedError as refusal:
            context.begun.clear()
            _move_cold(context, subject, fence, target, refusal)
    except FencedError as fenced:
        fence.settle(subject, fenced)
    # The record stays until Pacemaker's stop: it is what says whose guest has left.
    return OcfCode.SUCCESS


def _migrate_alive(context: Context, subject: Subject, fence: Fence, target: str) -> None:
    """Raises OcfError when the guest has not left; NothingMovedError: there is nothing of it there.

    FencedError when it is to leave no more.
    """
    name = subject.identity.name
    migration = _plan(context, subject, target)
    old_pending_stop = pending_stops.load(context.instance)
    fence.look()
    verdict = look(context, subject)
    if not verdict.lives:
        if old_pending_stop is not None and not old_pending_stop.is_void([], time.monotonic()):
            raise FencedError(old_pending_stop.ban_id, kills=False)
        # A fence may have killed it since the look before.
        fence.look()
        is_dead = verdict.code == OcfCode.NOT_RUNNING
        text = (
            f"{'does not run here' if is_dead else verdict.reason}, so it can't leave for {target}"
        )
        # A try of this action before may have ended for lack of memory.
        if not _has_begun(context):
            raise outcome.NothingMovedError(OcfCode.GENERIC, f"{name}: {text}", lives=not is_dead)
        outcome.settle(context, subject, migration, text)
        return
    lives = domain_state.living(subject) if subject.identity.is_qemu else []
    if old_pending_stop is not None and any(map(old_pending_stop.is_for, lives)):
        # It is being killed at this moment; the ban may have gone already.
        raise FencedError(old_pending_stop.ban_id, kills=False)
    fence.during(
        context.deadline,
        f"saving the definition of {name}",
        lambda: save_for_all(context, subject),
    )
    context.log.info(f"{name}: migrating to {target} ({migration.remote_uri})")
    _leave(context, subject, migration, fence)
    context.log.info(f"{name}: migrated to {target}")


def _plan(context: Context, subject: Subject, target: str) -> Migration:
    try:
        return plan(context, subject.uri, target)
    except OcfError as error:
        raise outcome.NothingMovedError(error.code, str(error), lives=True) from error


def _move_cold(
    context: Context,
    subject: Subject,
    fence: Fence,
    target: str,
    refusal: outcome.NothingMovedError,
) -> None:
    """Where an error would hit every guest of this host; else it is raised."""
    cold_move.publish(context, f"to {target}: {refusal}")
    if not cold_move.is_wanted(context, lives=refusal.lives):
        raise refusal
    fence.look()
    name = subject.identity.name
    context.log.warning(f"{refusal}; it ends here and starts on {target}")
    time_s = context.deadline.remaining()
    hand_over_s = min(_HAND_OVER_S, time_s * _HAND_OVER_SHARE)
    in_time = context._replace(deadline=context.deadline.less(hand_over_s))
    stop.end(in_time, subject, asks=not context.flag("force_stop"))
    cold_move.hand_over(context, subject.identity, target)
    context.log.info(f"{name}: has ended here and is handed over to {target}")


def _has_begun(context: Context) -> bool:
    """Whether libvirt was asked to migrate the guest: before that nothing can be there."""
    return _ASKED in context.begun


def _leave(context: Context, subject: Subject, migration: Migration, fence: Fence) -> None:
    """Raises OcfError when the guest has not left, FencedError when it is to leave no more."""
    time_s = context.deadline.remaining()
    others = context.deadline.less(min(_STOP_S, time_s * _STOP_SHARE))
    patience: Deadline | None = None
    told = ""
    while True:
        job = jobs.wait(context, subject, fence, others)
        if job:
            reason = f"has waited in vain for {job}"
            outcome.settle(context, subject, migration, reason, has_begun=_has_begun(context))
            return
        try:
            _migrate(context, subject, migration, fence)
            break
        except (LibvirtError, ExhaustedError, DeadlineError) as error:
            fence.look()
            text = error.full_text if isinstance(error, LibvirtError) else str(error)
            if text != told:
                context.log.warning(f"{subject.identity.name}: {text}")
                told = text
            if not _passes_by_itself(error, context, subject, migration, patience):
                begun = _has_begun(context)
                outcome.settle(context, subject, migration, str(error), has_begun=begun)
                return
            patience = patience or context.deadline.at_most(_CLEAR_S)
            context.deadline.pause(_RETRY_S)
    if not _is_gone(context, subject):
        reason = "libvirt says migrated, but QEMU lives here"
        outcome.settle(context, subject, migration, reason)


def _is_here(subject: Subject) -> bool:
    """Whether there is something to migrate, as far as the process table can tell."""
    return not subject.identity.is_qemu or bool(domain_state.living(subject))


def _passes_by_itself(
    error: HaError,
    context: Context,
    subject: Subject,
    migration: Migration,
    patience: Deadline | None,
) -> bool:
    """A lack of memory or the like, at this end or the other one. Or the other end still has a
    domain of that uuid, a life just killed or an abandoned create, which goes in a moment. Or a
    job has begun since the last look, which jobs.wait will find.

    libvirt has the same codes for what lasts, such as a snapshot. So there is one more try, and
    further ones while the other end has such a domain. patience: None before the first one.
    """
    if not _is_here(subject):
        return False
    if is_exhaustion(error):
        return context.deadline.remaining() > _ABORT_MAX_S
    if getattr(error, "code", None) not in (
        ErrorCode.OPERATION_INVALID,
        ErrorCode.OPERATION_TIMEOUT,
    ):
        return False
    if patience is None:
        return True
    return not patience.expired() and _is_there(context, subject, migration)


def _is_there(context: Context, subject: Subject, migration: Migration) -> bool:
    try:
        there = subject._replace(uri=migration.remote_uri)
        status = domain_state.status(there, context.deadline.at_most(_ASK_S))
    except domain_state.SilentError:
        return False
    return status is not None and status.state != State.SHUTOFF


def _migrate(context: Context, subject: Subject, migration: Migration, fence: Fence) -> None:
    """Raises LibvirtError and DeadlineError; at the deadline the migration has been aborted.

    NothingMovedError for files that can't be read.
    """
    remaining = context.deadline.remaining()
    reserve = min(_ABORT_MAX_S, max(_ABORT_MIN_S, remaining * _ABORT_SHARE))
    deadline = context.deadline.less(reserve)
    # By itself first: a missing key is then an error before anything has moved.
    destination = fence.during(
        deadline.at_most(_CONNECT_S),
        f"connecting to {migration.remote_uri}",
        lambda: Connection(migration.remote_uri),
    )
    watch = Progress(context, subject, migration.steering, deadline)
    try:
        fence.during(
            deadline,
            f"migrating {subject.identity.name}",
            lambda: _migrate_by_libvirt(context, subject, migration, destination),
            watch.look,
        )
    except DeadlineError:
        _abort(context, subject)
        raise


def _abort(context: Context, subject: Subject) -> None:
    """One that fails came too late or to a stuck libvirt: where the guest is tells which."""
    deadline = context.deadline.at_most(context.deadline.remaining() * _ABORT_PART)
    try:
        domain_state.command(subject, deadline, "aborting", job.abort)
    except (LibvirtError, DeadlineError) as error:
        context.log.warning(f"{subject.identity.name}: not aborted: {error}")


def _migrate_by_libvirt(
    context: Context, subject: Subject, migration: Migration, destination: Connection
) -> None:
    def order(domain: Domain) -> None:
        if context.flag("start_resources"):
            from agents.virtual_domain.guest import pools_networks

            live = definition.parse(domain.description().encode(), subject.identity.name)
            pools_networks.start(context, destination, live)
        limit_downtime(context, domain, migration.steering)
        parameters = {**migration.parameters, **_read_files(migration)}
        context.begun.add(_ASKED)
        if migration.is_peer_to_peer:
            domain.migrate_peer_to_peer(migration.remote_uri, parameters, migration.flags)
        else:
            domain.migrate(destination, parameters, migration.flags)

    with destination:
        domain_state.with_domain(subject, order)


def _read_files(migration: Migration) -> dict[str, str]:
    try:
        for path in migration.files.values():
            knock.require_answer(path, Deadline(_FILE_S))
        return {
            name: definition.decode(definition.read(path), path)
            for name, path in migration.files.items()
        }
    except OSError as error:
        text = f"parameter migrate_options: {error.filename}: {error.strerror}"
        raise outcome.NothingMovedError(OcfCode.INSTALLED, text, lives=True) from error


def _is_gone(context: Context, subject: Subject) -> bool:
    """Whether the source has let go, by the process table where there is one; waits for it."""
    if not subject.identity.is_qemu:
        return True
    deadline = context.deadline.less(_JUDGE_S).at_most(_LEAVE_S)
    while domain_state.living(subject):
        if deadline.expired():
            return False
        deadline.pause(domain_state.POLL_S)
    return True
