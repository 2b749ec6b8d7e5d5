# SPDX-License-Identifier: GPL-2.0-or-later
"""Stop: end diskd, then delete the attribute, which nobody sets any more."""

from __future__ import annotations

import contextlib

from agents.diskd import daemon
from agents.vm_anything.stop import stop as end
from pmkvm import files
from pmkvm.errors import HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.pacemaker import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context

_DELETE_S = 10.0
# Left to say that it failed, and at most a quarter of what there is.
_RESERVE_S = 3.0


def stop(context: Context) -> OcfCode:
    """Idempotent. An attribute that can't be deleted is no reason to fence a host: who depends on
    diskd does not run where it is stopped."""
    if daemon.is_oneshot(context):
        with contextlib.suppress(NotADirectoryError):
            files.remove(daemon.oneshot_file(context))
        return OcfCode.SUCCESS
    code = end(daemon.as_program(context))
    name = context.text("name")
    deadline = context.deadline.less(min(_RESERVE_S, context.deadline.remaining() / 4))
    try:
        attributes.withdraw(name, deadline.at_most(_DELETE_S))
    except (HaError, OSError) as error:
        context.log.warning(f"attribute {name} is not deleted: {error}")
    return code
