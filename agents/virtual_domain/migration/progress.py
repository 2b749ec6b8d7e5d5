# SPDX-License-Identifier: GPL-2.0-or-later
"""Watching over a migration: its figures in the log, and the guest eased over when it is late.

Never in its way: libvirt is asked in a thread, and a question without an answer is left alone.
"""

from __future__ import annotations

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.migration.policy import Order, steer
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.thread_call import Call
from pmkvm.virt import job
from pmkvm.virt.connection import LibvirtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from agents.virtual_domain.migration.policy import Steering
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain
    from pmkvm.virt.job import Job

# How often libvirt is asked, and how often what it says is worth a line.
_ASK_S = 1.0
_SAY_S = 5.0


class Progress:
    """To be looked at about each second, from the moment on at which the migration begins."""

    def __init__(
        self, context: Context, subject: Subject, steering: Steering, deadline: Deadline
    ) -> None:
        self._context = context
        self._subject = subject
        self._steering = steering
        self._time_s = deadline.remaining()
        self._given: set[int] = set()
        self._next_question = Deadline(_ASK_S)
        self._next_line = Deadline(_SAY_S)
        self._question: Call | None = None

    def look(self) -> bool:
        """Take libvirt's answer if there is one, ask again in its time. Never blocks.

        Whether there is no way back any more: post-copy has begun.
        """
        self._look()
        return int(Order.POSTCOPY) in self._given

    def _look(self) -> None:
        if self._question is not None:
            if not self._question.is_done(Deadline(0)):
                return
            self._hear(self._question)
            self._question = None
        if self._next_question.expired():
            self._next_question = Deadline(_ASK_S)
            name = self._subject.identity.name
            self._question = Call(
                f"asking for the migration of {name}",
                lambda: domain_state.with_lookup(self._subject, self._ask),
            )

    def _ask(self, domain: Domain | None) -> Job | None:
        now = None if domain is None else job.job_of(domain)
        if domain is not None and now is not None:
            self._steer(domain, now)
        return now

    def _steer(self, domain: Domain, now: Job) -> None:
        order = steer(self._steering, now, self._time_s)
        if order is None or int(order) in self._given:
            return
        name = self._subject.identity.name
        if order == Order.POSTCOPY:
            job.start_postcopy(domain)
            self._context.log.warning(f"{name}: goes on by post-copy: {now}")
        else:
            job.suspend(domain)
            self._context.log.warning(f"{name}: paused for the rest of its migration: {now}")
        self._given.add(int(order))

    def _hear(self, question: Call) -> None:
        name = self._subject.identity.name
        try:
            now = question.result()
        except HaError as error:
            self._context.log.debug(f"{name}: no word of its migration: {error}")
            return
        if now is not None and self._next_line.expired():
            self._next_line = Deadline(_SAY_S)
            self._context.log.info(f"{name}: migrating: {now}")


def limit_downtime(context: Context, domain: Domain, steering: Steering) -> None:
    """Before the migration, so that a short one has it too."""
    if not steering.max_downtime_ms:
        return
    try:
        job.set_max_downtime(domain, steering.max_downtime_ms)
    except LibvirtError as error:
        context.log.warning(f"migration_downtime={steering.max_downtime_ms}: {error}")
