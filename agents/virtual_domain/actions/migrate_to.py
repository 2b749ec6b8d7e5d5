# SPDX-License-Identifier: GPL-2.0-or-later
"""migrate_to: judged by where the guest is afterwards, given up before Pacemaker's kill."""

from __future__ import annotations

import time

from agents.virtual_domain.actions.monitor import look
from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.fence_check import Fence, FencedError
from agents.virtual_domain.guest.subject import identify
from agents.virtual_domain.migration import last_target, outcome
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
from pmkvm.virt.connection import Connection, ErrorCode, LibvirtError

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
# How long a QEMU takes to end after libvirt has reported the migration's success.
_LEAVE_S = 10.0
# How long the storage of a file of migrate_options may take to answer.
_FILE_S = 5.0
# Left to judge what is wrong if it does not.
_JUDGE_S = 2.0


def migrate_to(context: Context) -> OcfCode:
    """On the source. An error leaves the guest here, and says so; the other end is gone then."""
    target = context.meta.get("migrate_target", "")
    if not target:
        raise OcfError(OcfCode.ARGS, "migrate_to without OCF_RESKEY_CRM_meta_migrate_target")
    subject = identify(context)
    name = subject.identity.name
    migration = plan(context, subject.uri, target)
    old_pending_stop = pending_stops.load(context.instance)
    fence = Fence(context, old_pending_stop)
    try:
        fence.look()
        verdict = look(context, subject)
        if not verdict.lives:
            if old_pending_stop is not None and not old_pending_stop.is_void([], time.monotonic()):
                raise FencedError(old_pending_stop.ban_id, kills=False)
            # A fence may have killed it since the look before.
            fence.look()
            said = "does not run here" if verdict.code == OcfCode.NOT_RUNNING else verdict.reason
            text = f"{said}, so it can't leave for {target}"
            if last_target.noted(context) != target:
                raise OcfError(OcfCode.GENERIC, f"{name}: {text}")
            # It has left before: this action's try before ended for lack of memory, or another.
            outcome.settle(context, subject, migration, text)
            return OcfCode.SUCCESS
        fence.during(
            context.deadline,
            f"saving the definition of {name}",
            lambda: save_for_all(context, subject),
        )
        # Before it leaves: whoever is killed in the middle has said where to look.
        last_target.note(context, target)
        context.log.info(f"{name}: migrating to {target} ({migration.remote_uri})")
        _leave(context, subject, migration, fence)
    except FencedError as fenced:
        fence.settle(subject, fenced)
        return OcfCode.SUCCESS
    # The record stays until Pacemaker's stop: it is what says whose guest has left.
    context.log.info(f"{name}: migrated to {target}")
    return OcfCode.SUCCESS


def _leave(context: Context, subject: Subject, migration: Migration, fence: Fence) -> None:
    """Raises OcfError when the guest has not left, FencedError when it is to leave no more."""
    patience, told = context.deadline.at_most(_CLEAR_S), ""
    while True:
        try:
            _migrate(context, subject, migration, fence)
            break
        except (LibvirtError, ExhaustedError, DeadlineError) as error:
            fence.look()
            text = error.full_text if isinstance(error, LibvirtError) else str(error)
            if text != told:
                context.log.warning(f"{subject.identity.name}: {text}")
                told = text
            if not (_passes_by_itself(error, context, patience) and _is_here(subject)):
                outcome.settle(context, subject, migration, str(error))
                return
            context.deadline.pause(_RETRY_S)
    if not _is_gone(context, subject):
        reason = "libvirt says migrated, but QEMU lives here"
        outcome.settle(context, subject, migration, reason)


def _is_here(subject: Subject) -> bool:
    """Whether there is something to migrate, as far as the process table can tell."""
    return not subject.identity.is_qemu or bool(domain_state.living(subject))


def _passes_by_itself(error: HaError, context: Context, patience: Deadline) -> bool:
    """A lack of memory or the like, at this end or the other one; or the other end still has a
    domain of that uuid, a life just killed or an abandoned create, which goes in a moment.

    An error would have this host fenced (vm-ctl's on-fail), with a guest on it that runs well.
    """
    if is_exhaustion(error):
        return context.deadline.remaining() > _ABORT_MAX_S
    is_in_the_way = getattr(error, "code", None) == ErrorCode.OPERATION_INVALID
    return is_in_the_way and not patience.expired()


def _migrate(context: Context, subject: Subject, migration: Migration, fence: Fence) -> None:
    """Raises LibvirtError and DeadlineError; at the deadline the migration has been aborted."""
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
        raise OcfError(OcfCode.INSTALLED, text) from error


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
