# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the guest has migrated to from here: as long as it runs there, it is not started here.

Pacemaker (2.1.5 and 3.0.0, `crm_simulate` and in the lab) forgets an arrival when its
configuration changes in the middle of a migration that has gone the same way before: it takes
the old migrate_from in its history for the new one's, stops the guest on the host that it has
left, and starts it there anew, beside the one that has just arrived. So a start asks there first.

Neither a migration nor an arrival fails for want of this note: a second guard, which no guest is
worth. A start waits anyway while this host can't remember, and QEMU's lock on the image stands.
"""

from __future__ import annotations

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.migration.plan import plan
from pmkvm import files
from pmkvm.errors import DeadlineError, HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt import record
from pmkvm.virt.connection import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.fence_check import Fence
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context

# A host that is silent was fenced, or will be: Pacemaker's word stands then.
ASK_S = 5.0
# A life that is being ended there goes in that time, and so does the abandoned create that a start
# under a ban leaves. An error would raise the fail-count for what is over in a moment.
GOES_S = 5.0
_MEMBERS_S = 5.0


def note(context: Context, node: str) -> None:
    """It has left for that node, whose name holds no line break."""
    try:
        record.make_directory()
        files.write_atomically(_path(context), f"{node}\n")
    except OSError as error:
        context.log.warning(f"not written down that it leaves for {node}: {error}")


def forget(context: Context) -> None:
    """It is here again. A note that stays costs the next start a question."""
    try:
        files.remove(_path(context))
    except OSError as error:
        context.log.warning(f"where it had gone stays written down: {error}")


def require_ended(context: Context, subject: Subject, fence: Fence, deadline: Deadline) -> None:
    """Raises OcfError if the guest lives where it went. What can't be asked is no obstacle."""
    node = noted(context)
    if not node or not _may_be_member(context, node):
        return
    patience = deadline.at_most(GOES_S)
    while _lives(context, subject, fence, node, deadline.at_most(ASK_S)):
        if patience.less(domain_state.POLL_S).expired():
            name = subject.identity.name
            text = f"{name}: runs on {node}, where it has migrated to, and is not started here too"
            raise OcfError(OcfCode.GENERIC, text)
        patience.pause(domain_state.POLL_S)


def _lives(context: Context, subject: Subject, fence: Fence, node: str, limit: Deadline) -> bool:
    """Whether libvirt there has it, and not shut off. One that crashed and was kept is a QEMU."""
    name = subject.identity.name
    try:
        there = subject._replace(uri=plan(context, subject.uri, node).remote_uri)
        status = fence.during(
            limit,
            f"asking {node} for the state of {name}",
            lambda: domain_state.status(there, limit),
        )
    except (domain_state.SilentError, DeadlineError, OcfError) as error:
        context.log.warning(f"{name}: {node}, where it went, can't be asked for it: {error}")
        return False
    return status is not None and status.state != State.SHUTOFF


def noted(context: Context) -> str:
    try:
        return (files.read_text(_path(context)) or "").strip()
    except (OSError, ValueError) as error:
        context.log.warning(f"whether it has left for another host can't be read: {error}")
        return ""


def _may_be_member(context: Context, node: str) -> bool:
    """To ask a host that is down takes seconds in the middle of a failover."""
    from pmkvm.pacemaker import tools

    try:
        limit = context.deadline.at_most(_MEMBERS_S)
        return node in tools.call(["crm_node", "--partition"], limit).out.split()
    except HaError as error:
        context.log.debug(f"the members of the cluster are not known: {error}")
        return True


def _path(context: Context) -> str:
    return record.path_beside(context.instance, "left")
