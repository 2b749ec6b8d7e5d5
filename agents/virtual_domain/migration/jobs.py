# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs that an administrator has under way: a migration waits for them, and ends none of them.

libvirt refuses a migration beside a job of a disk at once ("domain has active block job"), and
beside a backup after 30 s ("cannot acquire state change lock"), so it is asked before.
"""

from __future__ import annotations

from agents.virtual_domain.guest import domain_state
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.virt import other_job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.fence_check import Fence
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.ocf.context import Context

# libvirt tells in this time or counts as silent.
_ANSWER_S = 5.0
# How often it is asked, and how often what it says is worth a line.
_ASK_S = 1.0
_SAY_S = 10.0


def wait(context: Context, subject: Subject, fence: Fence, patience: Deadline) -> str:
    """The job that is still under way when patience is at its end; empty if there is none.

    Raises FencedError.
    """
    name, has_waited = subject.identity.name, False
    next_line = Deadline(0)
    while True:
        job = under_way(context, subject)
        if not job or patience.expired():
            break
        if next_line.expired():
            context.log.info(f"{name}: waits with its migration for {job}")
            next_line = Deadline(_SAY_S)
        has_waited = True
        fence.look()
        patience.pause(_ASK_S)
    if has_waited and not job:
        context.log.info(f"{name}: the job that its migration has waited for is over")
    return job


def under_way(context: Context, subject: Subject) -> str:
    """Empty also where libvirt does not tell: then the migration will."""
    deadline = context.deadline.at_most(_ANSWER_S)
    try:
        return domain_state.command(subject, deadline, "asking for jobs of", other_job.under_way)
    except HaError as error:
        context.log.debug(f"{subject.identity.name}: no word of its jobs: {error}")
        return ""
