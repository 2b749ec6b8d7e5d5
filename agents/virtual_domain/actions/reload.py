# SPDX-License-Identifier: GPL-2.0-or-later
"""reload-agent: new parameters of a guest that goes on running.

Each action reads its parameters anew, so all that is marked reloadable is in force already; what
is left to do is to refuse what can't be, and to write what a parameter wants written.
"""

from __future__ import annotations

from agents.virtual_domain.actions.validate import check_parameters
from agents.virtual_domain.guest.subject import identify
from agents.virtual_domain.options import utilization
from pmkvm.ocf.codes import OcfCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context


def reload_agent(context: Context) -> OcfCode:
    """Raises OcfError for parameters that can't be; the guest is not touched in any case."""
    check_parameters(context)
    if utilization.is_wanted(context):
        utilization.update(context, identify(context))
    return OcfCode.SUCCESS
