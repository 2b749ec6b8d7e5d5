# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking a guest to shut down: in several ways, more than once, and never waiting for an answer.

A request may hang in libvirt for a minute (a guest agent that is connected and silent), and one
sent to a guest that boots is lost. So each is a call of its own, and the next one follows.
"""

from __future__ import annotations

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.fence_check import LOOK_S
from agents.virtual_domain.stopping import budget
from pmkvm.deadline import Deadline
from pmkvm.errors import ExhaustedError
from pmkvm.ocf.errors import OcfError
from pmkvm.thread_call import Call
from pmkvm.virt.connection import LibvirtError, PausedReason, State, Status
from pmkvm.virt.job import dump_under_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.errors import DeadlineError
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain

# A libvirtd that is being restarted comes back in this time, and the guest is shut down in order.
_LIBVIRT_RETURN_S = 10.0
# After a request that failed.
_RETRY_S = 1.0
# A guest that wakes hears nothing in its first moments.
_WAKE_S = 2.0


class HopelessError(LibvirtError):
    """The guest will never hear a request."""


class _Request:
    """One request, in a thread of its own."""

    def __init__(self, subject: Subject, method: int) -> None:
        # Whether libvirt has told the guest's state: it is there, whatever comes of the request.
        self.met_libvirt = False
        self.woke = False
        # libvirt's dump of a crashed guest, which was waited for instead of asking.
        self.dump = ""
        self._method = method
        what = f"asking {subject.identity.name} to shut down"
        self._call = Call(what, lambda: domain_state.with_domain(subject, self._ask))

    def is_over(self) -> bool:
        return self._call.is_done(Deadline(0))

    def check(self) -> None:
        """Raises LibvirtError or ExhaustedError if it has failed. Only when it is over."""
        self._call.result()

    def abandon(self) -> DeadlineError:
        return self._call.abandon()

    def _ask(self, domain: Domain) -> None:
        status = domain.status()
        self.met_libvirt = True
        if status.state == State.CRASHED:
            self.dump = dump_under_way(domain)
            if self.dump:
                return
            # It may have come to its end in between, and libvirt have restarted the guest.
            if domain.status().state == State.CRASHED:
                raise HopelessError(0, "the guest has crashed")
        if status.state in (State.SHUTDOWN, State.SHUTOFF):
            return
        if status.state == State.PM_SUSPENDED:
            domain.wake()
            self.woke = True
        elif status == Status(State.PAUSED, PausedReason.IO_ERROR):
            # QEMU tries the I/O again. A guest that somebody else paused is left to them.
            domain.resume()
        domain.shutdown(self._method)


class _Requests:
    """One after the other: by the next method at once if one fails, by the same if libvirt does."""

    def __init__(self, context: Context, subject: Subject, order: tuple[int, ...]) -> None:
        self.met_libvirt = False
        self._context = context
        self._subject = subject
        self._order = order
        # 0: once only.
        self._resend_s = context.number("shutdown_resend") or float("inf")
        self._turn = 0
        self._is_judged = False
        # Nobody has heard the request, though libvirt took it: the same way is taken once more.
        self._is_lost = False
        self._has_told_of_dump = False
        self._request = _Request(subject, budget.method(order, self._turn))
        self._next = Deadline(self._resend_s)

    def look(self) -> None:
        """Judge the request under way and send the next one in its time. Raises HopelessError."""
        self.met_libvirt = self.met_libvirt or self._request.met_libvirt
        if not self._is_judged and self._request.is_over():
            self._is_judged = True
            self._judge()
        if self._next.expired():
            self.end()
            self._turn += self._request.met_libvirt and not self._is_lost
            self._send()

    def end(self) -> None:
        """No longer wait for the one under way."""
        if not self._is_judged and not self._request.is_over():
            self._context.log.warning(f"{self._subject.identity.name}: {self._request.abandon()}")
            self._is_judged = True

    def _send(self) -> None:
        self._request = _Request(self._subject, budget.method(self._order, self._turn))
        self._is_judged = self._is_lost = False
        self._next = Deadline(self._resend_s)

    def _judge(self) -> None:
        try:
            self._request.check()
        except (LibvirtError, ExhaustedError) as error:
            self._context.log.warning(f"{self._subject.identity.name}: no shutdown: {error}")
            if isinstance(error, HopelessError):
                raise
            has_another = self._request.met_libvirt and self._turn + 1 < len(self._order)
            self._next = Deadline(0 if has_another else _RETRY_S)
            return
        if self._request.woke:
            self._is_lost = True
            self._next = Deadline(min(_WAKE_S, self._resend_s))
        if self._request.dump:
            self._is_lost = True
            self._next = Deadline(_RETRY_S)
            self._tell_of_dump(self._request.dump)

    def _tell_of_dump(self, dump: str) -> None:
        if not self._has_told_of_dump:
            name = self._subject.identity.name
            self._context.log.info(f"{name}: has crashed, and its end waits while {dump}")
        self._has_told_of_dump = True


def shut_down(
    context: Context,
    subject: Subject,
    patience: Deadline,
    *,
    is_gone: Callable[[], bool],
    is_wanted_dead: Callable[[], bool],
) -> None:
    """Returns when the guest is gone, wanted dead, can't be asked, or patience is at its end."""
    if patience.expired():
        return
    requests = _Requests(context, subject, _order(context, subject))
    libvirts_return = patience.at_most(_LIBVIRT_RETURN_S)
    next_look = patience.at_most(LOOK_S)
    try:
        while not patience.expired() and not is_gone():
            requests.look()
            if not requests.met_libvirt and libvirts_return.expired():
                return
            if next_look.expired():
                if is_wanted_dead():
                    return
                next_look = patience.at_most(LOOK_S)
            patience.pause(domain_state.POLL_S)
    except HopelessError:
        return
    finally:
        requests.end()


def _order(context: Context, subject: Subject) -> tuple[int, ...]:
    """A stop is tolerant: a word that is no method does not keep a guest alive."""
    try:
        return budget.methods(context.text("shutdown_mode"), is_qemu=subject.identity.is_qemu)
    except OcfError as error:
        context.log.warning(str(error))
        return budget.methods("", is_qemu=subject.identity.is_qemu)
