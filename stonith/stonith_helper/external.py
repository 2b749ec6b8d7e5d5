# SPDX-License-Identifier: GPL-2.0-or-later
"""external/stonith-helper: the face for cluster-glue."""

from __future__ import annotations

import sys
from functools import partial

from pmkvm.errors import HaError
from stonith.plugin import glue
from stonith.stonith_helper import fence, parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from stonith.plugin.answer import Operation
    from stonith.plugin.journal import Journal
    from stonith.stonith_helper.parameters import Device

DESCRIPTION = "\n".join(
    (
        "Use it before the device that fences. The node that does not run the service waits, so",
        "that the node that runs it fences first. Then the answer is no, and the fencer asks the",
        "next device. Other than in 2011:",
        *(f"- {line}" for line in fence.OTHER_THAN_IN_2011),
    )
)


def _device(env: Mapping[str, str]) -> glue.Device:
    device = parameters.device(env)
    return glue.Device(device.hosts, partial(_fence, device), partial(_status, device))


def _fence(device: Device, action: Operation, host: str, journal: Journal) -> int:
    is_fenced = fence.counts_as_fenced(device, action, host, journal)
    return glue.DONE if is_fenced else glue.FAILED


def _status(device: Device, journal: Journal) -> int:
    try:
        return glue.DONE if fence.can_be_used(device, journal) else glue.FAILED
    except HaError as error:
        journal.complain(f"status: {error}")
        return glue.FAILED


PLUGIN = glue.Plugin(
    "stonith-helper",
    "lets the active node fence first",
    DESCRIPTION,
    parameters.TABLE,
    _device,
)


def main() -> int:
    return glue.main(PLUGIN)


if __name__ == "__main__":
    sys.exit(main())
