# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_helper: the face for Pacemaker's fencer, also where there is no cluster-glue."""

from __future__ import annotations

import sys

from stonith.plugin import fence_agent
from stonith.plugin.fence_agent import DONE, FAILED
from stonith.plugin.parameters import ParameterError
from stonith.stonith_helper import fence, parameters
from stonith.stonith_helper.options import NAME, OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from stonith.plugin.fence_agent import Call
    from stonith.plugin.fence_texts import Texts


def _fence(call: Call) -> int:
    device = parameters.device(call.values)
    is_fenced = fence.counts_as_fenced(device, call.action, call.target, call.journal)
    return DONE if is_fenced else FAILED


def _status(call: Call) -> int:
    parameters.device(call.values)
    raise ParameterError(f"status of {call.target or 'nobody'}: this device does not know it")


def _validate(call: Call) -> int:
    device = parameters.device(call.values)
    if call.target and not device.has(call.target):
        raise ParameterError(f"{call.target}: there is no such node in hostlist")
    return DONE if fence.can_be_used(device, call.journal) else FAILED


def _list(call: Call) -> int:
    for host in parameters.device(call.values).hosts:
        call.print(f"{host},")
    return DONE


def _texts() -> Texts:
    from stonith.stonith_helper.texts import TEXTS

    return TEXTS


AGENT = fence_agent.Agent(
    NAME,
    OPTIONS,
    {
        # Not among those of the metadata: it always fails.
        "on": _fence,
        "off": _fence,
        "reboot": _fence,
        "status": _status,
        "monitor": _validate,
        "list": _list,
        "validate-all": _validate,
    },
    _texts,
)


def main() -> int:
    return fence_agent.main(AGENT)


if __name__ == "__main__":
    sys.exit(main())
