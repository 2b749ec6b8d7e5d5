# SPDX-License-Identifier: GPL-2.0-or-later
"""external/vm-stonith: the face for cluster-glue."""

from __future__ import annotations

import sys
from functools import partial

from stonith.plugin import glue, parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from stonith.plugin.answer import Operation
    from stonith.plugin.journal import Journal
    from stonith.plugin.parameters import Device


def _device(env: Mapping[str, str]) -> glue.Device:
    device = parameters.device(env)
    hosts = [entry.host for entry in device.entries]
    return glue.Device(hosts, partial(_fence, device), partial(_status, device))


def _fence(device: Device, operation: Operation, host: str, journal: Journal) -> int:
    from pmkvm.deadline import Deadline
    from stonith.vm_stonith import request

    entry = device.find(host)
    if entry is None:
        journal.complain(f"{host or 'no name'}: there is no such guest in hostlist")
        return glue.FAILED
    answered = request.fence(operation, entry, Deadline(device.timeout_s), journal)
    if not answered.is_ok:
        journal.complain(f"{operation} of {entry.host}: {answered}")
        return glue.FAILED
    return glue.DONE


def _status(device: Device, journal: Journal) -> int:
    """Whether the hosts would take each of the tokens."""
    from pmkvm.deadline import Deadline
    from stonith.vm_stonith import request

    deadline = Deadline(device.timeout_s)
    bad = 0
    for entry in device.entries:
        answered = request.ask("status", entry, deadline, journal)
        if not answered.is_ok:
            bad += 1
            journal.complain(f"status of {entry.host}: {answered}")
    return glue.FAILED if bad else glue.DONE


PLUGIN = glue.Plugin(
    "vm-stonith",
    "a guest of a cluster of hosts",
    "Fences a guest through the cluster of the hosts, wherever there it runs. The hosts run\n"
    "vm-connectd and vm-stonithd, the guests vm-connectd; no network between them is needed.",
    parameters.SHARED,
    _device,
)


def main() -> int:
    return glue.main(PLUGIN)


if __name__ == "__main__":
    sys.exit(main())
