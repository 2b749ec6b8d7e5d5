# SPDX-License-Identifier: GPL-2.0-or-later
"""Stop: end vm-client, then delete the attributes, which nobody sets any more."""

from __future__ import annotations

from agents.vm_anything.stop import stop as end
from agents.vm_client import daemon
from pmkvm.errors import HaError
from pmkvm.pacemaker import attributes
from pmkvm.wire.host_attributes import MOST_NAMES, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.codes import OcfCode
    from pmkvm.ocf.context import Context

_DELETE_S = 5.0
# Left to say that it failed, and at most a quarter of what there is.
_RESERVE_S = 3.0


def stop(context: Context) -> OcfCode:
    """Idempotent. An attribute that can't be deleted is no reason to fence a guest: who depends on
    vm-client does not run where it is stopped."""
    # One that lives would set them again.
    code = end(daemon.as_program(context))
    deadline = context.deadline.less(min(_RESERVE_S, context.deadline.remaining() / 4))
    names = [name for name in context.text("attribute_list").split() if is_name(name)]
    for name in dict.fromkeys(names[:MOST_NAMES]):
        try:
            attributes.withdraw(name, deadline.at_most(_DELETE_S))
        except (HaError, OSError) as error:
            # The next one would have to wait as long.
            context.log.warning(f"attribute {name} and those behind it are not deleted: {error}")
            break
    return code
