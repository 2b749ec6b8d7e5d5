# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameter snapshot: a stop saves the guest's memory to a file, the next start goes on with it."""

from __future__ import annotations

import os

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.fence_check import LOOK_S
from pmkvm.errors import DeadlineError, ExhaustedError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.thread_call import Call
from pmkvm.virt import image, job
from pmkvm.virt.connection import LibvirtError
from pmkvm.virt.definition import parse_identity
from pmkvm.virt.identity import DefinitionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Connection, Domain

# To end a save that takes too long.
_ABORT_S = 5.0


def path_of(context: Context, name: str) -> str:
    """The file, empty if the parameter is not set."""
    directory = context.text("snapshot")
    return os.path.join(directory, f"{name}.state") if directory else ""


def save(
    context: Context, subject: Subject, patience: Deadline, is_wanted_dead: Callable[[], bool]
) -> bool:
    """Whether the guest's memory is in the file now; if not, the guest still runs.

    libvirt removes a file that it could not finish, and refuses one that a crash of its own
    left half done.
    """
    path = path_of(context, subject.identity.name)
    call = Call(
        f"saving {subject.identity.name} to {path}",
        lambda: domain_state.with_domain(subject, lambda domain: image.save(domain, path)),
    )
    while not call.is_done(patience.at_most(LOOK_S)):
        if is_wanted_dead():
            call.abandon()
            return False
        if patience.expired():
            context.log.warning(f"{subject.identity.name}: {call.abandon()}")
            _abort(context, subject)
            return False
    try:
        call.result()
    except (LibvirtError, ExhaustedError) as error:
        context.log.warning(f"{subject.identity.name}: not saved to {path}: {error}")
        return False
    context.log.info(f"{subject.identity.name}: saved to {path}")
    return True


def restore_paused(connection: Connection, subject: Subject, path: str) -> Domain:
    """The guest as it was saved, its CPUs stopped, and the file gone to where no start looks.

    Gone before the guest runs: restored once more later, it would find disks that have gone on
    without it. Raises LibvirtError, and OcfError when libvirt was asked for nothing.
    """
    identity = subject.identity
    try:
        saved = parse_identity(image.description(connection, path).encode(), path)
    except DefinitionError as error:
        raise OcfError(OcfCode.INSTALLED, str(error)) from error
    except LibvirtError as error:
        raise _advised(error, path) from error
    if saved.name != identity.name or identity.uuid not in ("", saved.uuid):
        raise OcfError(
            OcfCode.INSTALLED,
            f"{path} is the memory of {saved.name}, uuid {saved.uuid}, not of this guest:"
            " move it away to boot afresh",
        )
    try:
        image.restore_paused(connection, path)
    except LibvirtError as error:
        raise _advised(error, path) from error
    domain = connection.lookup(identity.name, saved.uuid)
    if domain is None:
        raise LibvirtError(0, f"{identity.name} is gone as soon as it was restored")
    os.replace(path, _aside(path))
    return domain


def put_back(context: Context, name: str) -> None:
    """What was restored is gone and never ran: the next start goes on from its memory all the same.

    To be called by the start that restored it. Raises OSError.
    """
    path = path_of(context, name)
    os.replace(_aside(path), path)
    context.log.warning(f"{name}: its memory is back in {path}")


def drop(context: Context, name: str) -> None:
    """The guest has been started: nobody needs the memory that it, or one before it, began with."""
    path = path_of(context, name)
    try:
        if path and os.path.lexists(_aside(path)):
            os.unlink(_aside(path))
    except OSError as error:
        context.log.warning(f"{name}: {_aside(path)} stays: {error.strerror}")


def _aside(path: str) -> str:
    return f"{path}.restored"


def _advised(error: LibvirtError, path: str) -> LibvirtError:
    return LibvirtError(error.code, f"{error}: move {path} away to boot afresh")


def _abort(context: Context, subject: Subject) -> None:
    try:
        domain_state.command(subject, context.deadline.at_most(_ABORT_S), "aborting", job.abort)
    except (LibvirtError, DeadlineError) as error:
        context.log.warning(f"{subject.identity.name}: not aborted: {error}")
