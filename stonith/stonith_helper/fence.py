# SPDX-License-Identifier: GPL-2.0-or-later
"""external/stonith-helper: stands before the device that fences, and delays the standby side.

Its answer to a fence is no, which has the fencer ask the next device: nothing that it can see
proves a death. Only an administrator who says so (trust_dead_check) has silence count as one.
"""

from __future__ import annotations

import sys
import time
from functools import partial

from stonith.plugin import glue
from stonith.stonith_helper import decision, parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from stonith.plugin.answer import Operation
    from stonith.plugin.journal import Journal
    from stonith.stonith_helper.decision import Wait
    from stonith.stonith_helper.parameters import Device

DESCRIPTION = """\
Use it before the device that fences. The node that does not run the service waits, so that the
node that runs it fences first. Then the answer is no, and the fencer asks the next device.
Other than in 2011:
- run_dead_check: a target that answers no ping is reported as fenced only with trust_dead_check,
  since a broken switch looks the same. Without it nobody is pinged.
- run_quorum_check: a partition without quorum waits like a standby. In 2011 it was told that the
  target is fenced.
- A number or a yes that can't be read is an error of the configuration, not the default."""


def _device(env: Mapping[str, str]) -> glue.Device:
    device = parameters.device(env)
    return glue.Device(device.hosts, partial(_fence, device), lambda _: glue.DONE)


def _fence(device: Device, action: Operation, host: str, journal: Journal) -> int:
    """FAILED but for a death that the administrator's own words make of silence."""
    if not device.has(host):
        journal.complain(f"{host or 'no name'}: there is no such node in hostlist")
        return glue.FAILED
    if action == "on":
        journal.complain(f"{action} of {host}: this device switches nothing on")
        return glue.FAILED
    # Loaded here: the other actions see nothing.
    from stonith.stonith_helper import look

    what = f"{action} of {host}"
    if device.addresses:
        replies = look.replies(device.addresses, device.trials, journal)
        if decision.is_silent(replies):
            line = f"{what}: no address answers, and trust_dead_check has that count as fenced"
            journal.record(line, is_good=True)
            return glue.DONE
    if device.standby_command:
        is_active = look.is_active(device.standby_command, journal)
        asks = device.passes_members and not is_active
        is_member = look.is_member(host, journal) if asks else None
        wait_s = device.standby_wait_s
        _wait(what, decision.standby(is_active, is_member=is_member, wait_s=wait_s), journal)
    if device.asks_for_quorum:
        time.sleep(device.quorum_wait_s)
        has_quorum = look.has_quorum(journal)
        _wait(what, decision.quorum(has_quorum, wait_s=device.standby_wait_s), journal)
    journal.complain(f"{what}: nothing here proves it dead; the next device is asked")
    return glue.FAILED


def _wait(what: str, wait: Wait, journal: Journal) -> None:
    verb = f"waiting {wait.seconds:g} s" if wait.seconds else "no wait"
    journal.record(f"{what}: {verb}, {wait.reason}", is_good=True)
    time.sleep(wait.seconds)


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
