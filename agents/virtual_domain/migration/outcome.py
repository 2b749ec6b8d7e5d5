# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of a migration that libvirt does not call a success: by the state on both ends.

The source's libvirtd may die or hang when the guest has arrived and before it can say so. Its
QEMU is an abandoned create then, which nobody else would end.
"""

from __future__ import annotations

import signal

from agents.virtual_domain.guest import domain_state
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.light_types import IntEnum, NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.thread_call import Call
from pmkvm.virt import qemu
from pmkvm.virt.connection import LibvirtError, PausedReason, State, Status
from pmkvm.virt.job import job_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from agents.virtual_domain.migration.plan import Migration
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain

# How long a guest may take to run there, once its memory has arrived.
_SETTLE_S = 5.0
# Of the time that is left, for the question to both ends; the rest is for the end of an abandoned
# create.
_ASK_SHARE = 0.6
_ASK_MAX_S = 30.0
# For the other end, where libvirt here says that the guest runs.
_SECOND_OPINION_S = 5.0
_RESERVE_S = 0.2
# VIR_DOMAIN_RUNNING_MIGRATED. The other end lets a guest run for this reason when the source's
# QEMU has sent all and stopped for good (qemuMigrationDstFinish); by post-copy, when all is there.
_MIGRATED = 2
_SPLIT = (PausedReason.POSTCOPY, PausedReason.POSTCOPY_FAILED)


class Outcome(IntEnum):
    """Where the guest is."""

    ARRIVED = 0
    # Arrived, and what lives here is the abandoned create.
    ABANDONED = 1
    # Here, and nowhere else.
    STAYS = 2
    # Cut in two by post-copy.
    SPLIT = 3
    # Not here, and nobody knows whether it is there.
    LOST = 4
    # It lives here, and something of it may be there.
    UNKNOWN = 5
    # It has died, and lives nowhere.
    ENDED = 6


class NothingMovedError(OcfError):
    """The guest has not left, and nothing of it is at the other end. lives: it is here."""

    def __init__(self, code: OcfCode, reason: str, *, lives: bool) -> None:
        super().__init__(code, reason)
        self.lives = lives


class Ends(NamedTuple):
    """Whether a QEMU lives here, and what both libvirts say.

    None: that one is silent, or has no such domain; there_is_silent tells which. has_job: a
    migration, or another job, is still under way here.
    """

    lives: bool
    here: Status | None
    there: Status | None
    there_is_silent: bool = False
    has_job: bool = False

    @property
    def is_idle_here(self) -> bool:
        """Whether libvirt here does not contradict that it is elsewhere."""
        return self.here is None or self.here.state in (State.PAUSED, State.SHUTOFF)

    @property
    def may_yet_run_there(self) -> bool:
        is_free = self.is_idle_here or not self.lives
        return is_free and self.there is not None and self.there.state == State.PAUSED

    @property
    def is_nothing_there(self) -> bool:
        if self.there_is_silent:
            # QEMU pauses a guest before it may run elsewhere, and libvirt lets it run here again
            # only when it does not.
            return self.here is not None and self.here.state == State.RUNNING and not self.has_job
        return self.there is None or self.there.state == State.SHUTOFF


def judge(ends: Ends) -> Outcome:
    """Pure. What libvirt here says to run is never an abandoned create."""
    runs_there = ends.there is not None and ends.there.state == State.RUNNING
    if not ends.lives:
        is_dead_there = ends.is_nothing_there and not ends.there_is_silent
        nowhere = Outcome.ENDED if is_dead_there else Outcome.LOST
        return Outcome.ARRIVED if runs_there else nowhere
    here = ends.here
    if here is not None and here.state == State.PAUSED and here.reason in _SPLIT:
        return Outcome.SPLIT
    if ends.is_idle_here and ends.there == Status(State.RUNNING, _MIGRATED):
        return Outcome.ABANDONED
    return Outcome.STAYS if ends.is_nothing_there else Outcome.UNKNOWN


def settle(
    context: Context, subject: Subject, migration: Migration, reason: str, *, has_begun: bool = True
) -> None:
    """Returns with the guest there and nothing of it here. Raises OcfError in all other cases, and
    where nothing has moved NothingMovedError.

    has_begun: libvirt was asked to migrate it. Else the other end has nothing of it.
    """
    name = subject.identity.name
    patience = context.deadline.at_most(_SETTLE_S)
    while True:
        ends, silence = _ask(context, subject, migration if has_begun else None)
        outcome = judge(ends)
        is_final = outcome in (Outcome.ARRIVED, Outcome.ABANDONED, Outcome.SPLIT)
        if (
            is_final
            or not ends.may_yet_run_there
            or patience.less(domain_state.LAST_TRY_S).expired()
        ):
            break
        patience.pause(domain_state.POLL_S)
    if outcome not in (Outcome.ARRIVED, Outcome.ABANDONED):
        raise _failure(name, outcome, reason, silence)
    if outcome == Outcome.ABANDONED:
        _end_abandoned(context, subject)
    context.log.warning(f"{name}: arrived in spite of: {reason}")


def _failure(name: str, outcome: Outcome, reason: str, silence: list[str]) -> OcfError:
    if outcome == Outcome.SPLIT:
        return OcfError(
            OcfCode.GENERIC,
            f"{name}: runs at the other host without all of its memory: {reason};"
            " `virsh migrate --postcopy-resume` may still save it",
        )
    if outcome == Outcome.ENDED:
        text = f"{name}: has ended, and lives at neither end: {reason}"
        return NothingMovedError(OcfCode.GENERIC, text, lives=False)
    if outcome == Outcome.LOST:
        text = "; ".join([reason, *silence])
        return OcfError(OcfCode.GENERIC, f"{name}: lost in migration: {text}")
    text = f"{name}: stays here: {reason}"
    if outcome == Outcome.STAYS:
        return NothingMovedError(OcfCode.GENERIC, text, lives=True)
    return OcfError(OcfCode.GENERIC, text)


def _ask(context: Context, subject: Subject, migration: Migration | None) -> tuple[Ends, list[str]]:
    """Both at once, since time may be short; and why who was silent was so. Without a migration
    the other end is not asked: it has nothing."""
    deadline = context.deadline.at_most(min(_ASK_MAX_S, context.deadline.remaining() * _ASK_SHARE))
    here = _Question(subject)
    there = None
    if migration is not None:
        there = _Question(subject._replace(uri=migration.remote_uri))
    said_here, has_job = here.answer(deadline)
    if subject.identity.is_qemu:
        lives = bool(domain_state.living(subject))
    elif here.silence:
        if there is not None:
            there.answer(Deadline(0))
        text = f"{subject.identity.name}: libvirt here does not say what became of it"
        raise OcfError(OcfCode.GENERIC, f"{text}: {here.silence[0]}")
    else:
        lives = said_here is not None and said_here.state != State.SHUTOFF
    ends = Ends(lives, said_here, None, has_job=has_job)
    if there is None:
        return ends, here.silence
    # The other end may be what is stuck.
    is_needed = ends.is_idle_here or not lives or has_job
    said_there, _ = there.answer(deadline if is_needed else deadline.at_most(_SECOND_OPINION_S))
    ends = ends._replace(there=said_there, there_is_silent=bool(there.silence))
    return ends, here.silence + there.silence


class _Question:
    """One libvirt, asked in a thread of its own; silence says why it did not answer."""

    def __init__(self, subject: Subject) -> None:
        self.silence: list[str] = []
        what = f"asking for the state of {subject.identity.name}"
        self._call = Call(what, lambda: domain_state.with_lookup(subject, _state_and_job))

    def answer(self, deadline: Deadline) -> tuple[Status | None, bool]:
        """The state, and whether a job is under way."""
        try:
            if not self._call.is_done(deadline):
                raise self._call.abandon()
            return self._call.result()  # type: ignore[return-value]
        except HaError as error:
            self.silence.append(str(error))
            return None, False


def _state_and_job(domain: Domain | None) -> tuple[Status | None, bool]:
    status = None if domain is None else domain.status()
    if domain is None or status is None or status.state != State.RUNNING:
        return status, False
    try:
        return status, job_of(domain) is not None
    except LibvirtError:
        return status, True


def _end_abandoned(context: Context, subject: Subject) -> None:
    """Raises OcfError if it outlives SIGKILL: then it may still write."""
    name = subject.identity.name
    for life in domain_state.living(subject):
        context.log.warning(f"{name}: SIGKILL to QEMU {life.pid}, which the guest has left")
        if not qemu.kill(life, signal.SIGKILL, context.deadline.less(_RESERVE_S)):
            text = f"{name}: has arrived, but QEMU {life.pid} survives SIGKILL here"
            raise OcfError(OcfCode.GENERIC, text)
