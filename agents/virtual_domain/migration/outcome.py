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
from pmkvm.virt.connection import PausedReason, State, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from agents.virtual_domain.migration.plan import Migration
    from pmkvm.ocf.context import Context

# How long a guest may take to run there, once its memory has arrived.
_SETTLE_S = 5.0
# Of the time that is left, for the question to both ends; the rest is for the end of an abandoned
# create.
_ASK_SHARE = 0.6
_ASK_MAX_S = 30.0
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
    STAYS = 2
    # Cut in two by post-copy.
    SPLIT = 3
    LOST = 4


class Ends(NamedTuple):
    """Whether a QEMU lives here, and what both libvirts say.

    None: that one is silent, or has no such domain.
    """

    lives: bool
    here: Status | None
    there: Status | None

    @property
    def is_idle_here(self) -> bool:
        """Whether libvirt here does not contradict that it is elsewhere."""
        return self.here is None or self.here.state in (State.PAUSED, State.SHUTOFF)

    @property
    def may_yet_run_there(self) -> bool:
        is_free = self.is_idle_here or not self.lives
        return is_free and self.there is not None and self.there.state == State.PAUSED


def judge(ends: Ends) -> Outcome:
    """Pure. What libvirt here says to run is never an abandoned create."""
    runs_there = ends.there is not None and ends.there.state == State.RUNNING
    if not ends.lives:
        return Outcome.ARRIVED if runs_there else Outcome.LOST
    here = ends.here
    if here is not None and here.state == State.PAUSED and here.reason in _SPLIT:
        return Outcome.SPLIT
    if ends.is_idle_here and ends.there == Status(State.RUNNING, _MIGRATED):
        return Outcome.ABANDONED
    return Outcome.STAYS


def settle(context: Context, subject: Subject, migration: Migration, reason: str) -> None:
    """Returns with the guest there and nothing of it here. Raises OcfError in all other cases."""
    name = subject.identity.name
    patience = context.deadline.at_most(_SETTLE_S)
    while True:
        ends, silence = _ask(context, subject, migration)
        outcome = judge(ends)
        is_final = outcome in (Outcome.ARRIVED, Outcome.ABANDONED, Outcome.SPLIT)
        if (
            is_final
            or not ends.may_yet_run_there
            or patience.less(domain_state.LAST_TRY_S).expired()
        ):
            break
        patience.pause(domain_state.POLL_S)
    if outcome == Outcome.SPLIT:
        raise OcfError(
            OcfCode.GENERIC,
            f"{name}: runs at the other host without all of its memory: {reason};"
            " `virsh migrate --postcopy-resume` may still save it",
        )
    if outcome == Outcome.STAYS:
        raise OcfError(OcfCode.GENERIC, f"{name}: stays here: {reason}")
    if outcome == Outcome.LOST:
        text = "; ".join([reason, *silence])
        raise OcfError(OcfCode.GENERIC, f"{name}: lost in migration: {text}")
    if outcome == Outcome.ABANDONED:
        _end_abandoned(context, subject)
    context.log.warning(f"{name}: arrived in spite of: {reason}")


def _ask(context: Context, subject: Subject, migration: Migration) -> tuple[Ends, list[str]]:
    """Both at once, since time may be short; and why who was silent was so."""
    deadline = context.deadline.at_most(min(_ASK_MAX_S, context.deadline.remaining() * _ASK_SHARE))
    here = _Question(subject, deadline)
    there = _Question(subject._replace(uri=migration.remote_uri), deadline)
    said_here = here.answer(deadline)
    if subject.identity.is_qemu:
        lives = bool(domain_state.living(subject))
    elif here.silence:
        there.answer(Deadline(0))
        text = f"{subject.identity.name}: libvirt here does not say what became of it"
        raise OcfError(OcfCode.GENERIC, f"{text}: {here.silence[0]}")
    else:
        lives = said_here is not None and said_here.state != State.SHUTOFF
    ends = Ends(lives, said_here, None)
    # The other end may be what is stuck.
    is_needed = ends.is_idle_here or not lives
    said_there = there.answer(deadline if is_needed else Deadline(0))
    return ends._replace(there=said_there), here.silence + there.silence


class _Question:
    """One libvirt, asked in a thread of its own; silence says why it did not answer."""

    def __init__(self, subject: Subject, deadline: Deadline) -> None:
        self.silence: list[str] = []
        what = f"asking for the state of {subject.identity.name}"
        self._call = Call(what, lambda: domain_state.status(subject, deadline))

    def answer(self, deadline: Deadline) -> Status | None:
        try:
            if not self._call.is_done(deadline):
                raise self._call.abandon()
            return self._call.result()  # type: ignore[return-value]
        except HaError as error:
            self.silence.append(str(error))
            return None


def _end_abandoned(context: Context, subject: Subject) -> None:
    """Raises OcfError if it outlives SIGKILL: then it may still write."""
    name = subject.identity.name
    for life in domain_state.living(subject):
        context.log.warning(f"{name}: SIGKILL to QEMU {life.pid}, which the guest has left")
        if not qemu.kill(life, signal.SIGKILL, context.deadline.less(_RESERVE_S)):
            text = f"{name}: has arrived, but QEMU {life.pid} survives SIGKILL here"
            raise OcfError(OcfCode.GENERIC, text)
