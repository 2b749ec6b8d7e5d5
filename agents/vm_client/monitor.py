# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether vm-client lives and goes on; a host that is mute is no failure of it."""

from __future__ import annotations

from agents.vm_anything.monitor import monitor as look
from agents.vm_client import daemon
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context

# Left to say that it does not answer, and at most a quarter of what there is.
_RESERVE_S = 3.0


def monitor(context: Context) -> OcfCode:
    """Probe and recurring monitor."""
    code = look(daemon.as_program(context))
    if code != OcfCode.SUCCESS or context.is_probe:
        return code
    reserve_s = min(_RESERVE_S, context.deadline.remaining() / 4)
    trouble = daemon.trouble(context, context.deadline.less(reserve_s))
    if trouble:
        raise OcfError(OcfCode.DEGRADED, trouble)
    return OcfCode.SUCCESS
