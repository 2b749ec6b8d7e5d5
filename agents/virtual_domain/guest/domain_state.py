# SPDX-License-Identifier: GPL-2.0-or-later
"""Who can say what became of a guest: the process table and libvirt.

For QEMU and KVM the process table decides whether the guest exists and libvirt tells its
state; for other hypervisors libvirt is the only witness.
"""

from __future__ import annotations

from pmkvm import process
from pmkvm.errors import DeadlineError, HaError
from pmkvm.thread_call import call_in_thread
from pmkvm.virt.connection import Connection, ErrorCode, LibvirtError, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.process import Life
    from pmkvm.virt.connection import Domain

    T = TypeVar("T")

POLL_S = 0.2
# With less than this left nobody is asked again: the error would only be that time is over.
LAST_TRY_S = 0.3


class SilentError(HaError):
    """libvirt can't be asked: it does not run, does not listen, or is stuck."""


def living(subject: Subject) -> list[Life]:
    """The guest's living QEMU processes; of one that is remembered and lives, that one alone.

    It is the guest whatever its command line says by now. Raises ForeignQemuError, and OSError if
    the process table can't be read.
    """
    life = subject.remembered_life
    if life is not None and process.is_alive(life):
        return [life]
    # Not on the way of a monitor whose guest is remembered.
    from pmkvm.virt import qemu

    return qemu.living(subject.identity, is_sure=subject.is_clusters)


def own_living(subject: Subject) -> list[Life]:
    """As living(); none of a guest that has no process of its own on this host."""
    return living(subject) if subject.identity.is_qemu else []


def status(
    subject: Subject, deadline: Deadline, beside: Callable[[Domain], None] | None = None
) -> Status | None:
    """What libvirt says; None if it says that it has no such domain. Raises SilentError.

    beside: what else is to be done with a domain that it has, in the same connection.
    """

    def ask(domain: Domain | None) -> Status | None:
        if domain is None:
            return None
        said = domain.status()
        if beside is not None:
            beside(domain)
        return said

    try:
        return call_in_thread(
            deadline,
            f"asking libvirt for the state of {subject.identity.name}",
            lambda: with_lookup(subject, ask),
        )
    except (LibvirtError, DeadlineError) as error:
        raise SilentError(str(error)) from error


def command(subject: Subject, deadline: Deadline, doing: str, order: Callable[[Domain], T]) -> T:
    """What order returns, as with_domain() has it done. Raises LibvirtError and DeadlineError."""
    what = f"{doing} {subject.identity.name} through libvirt"
    return call_in_thread(deadline, what, lambda: with_domain(subject, order))


def with_domain(subject: Subject, order: Callable[[Domain], T]) -> T:
    """As with_lookup(), but a domain that libvirt does not have is a LibvirtError."""

    def act(domain: Domain | None) -> T:
        if domain is None:
            raise LibvirtError(ErrorCode.NO_DOMAIN, "libvirt has no such domain")
        return order(domain)

    return with_lookup(subject, act)


def with_lookup(subject: Subject, order: Callable[[Domain | None], T]) -> T:
    """What order returns of the domain, which is None if libvirt says that it has no such one.

    In this thread, and as long as libvirt pleases. Raises LibvirtError.
    """
    with Connection(subject.uri) as connection:
        return order(connection.lookup(subject.identity.name, subject.identity.uuid))


def patient_status(
    subject: Subject, deadline: Deadline, beside: Callable[[Domain], None] | None = None
) -> Status | None:
    """As status(), but waits for a libvirt that is away. Raises SilentError at the deadline."""
    while True:
        try:
            return status(subject, deadline, beside)
        except SilentError:
            if deadline.less(LAST_TRY_S).expired():
                raise
            deadline.pause(POLL_S)
