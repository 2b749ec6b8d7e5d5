# SPDX-License-Identifier: GPL-2.0-or-later
"""What both faces of stonith-helper do: delay the standby side, before the device that fences.

The answer to a fence is no, which has the fencer ask the next device: nothing that can be seen here
proves a death. Only an administrator who says so (trust_dead_check) has silence count as one.
"""

from __future__ import annotations

import time

from stonith.stonith_helper import decision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from stonith.plugin.journal import Journal
    from stonith.stonith_helper.decision import Wait
    from stonith.stonith_helper.parameters import Device

CHECK_S = 10.0

OTHER_THAN_IN_2011 = (
    "run_dead_check: a target that answers no ping is reported as fenced only with"
    " trust_dead_check, since a broken switch looks the same. Without it nobody is pinged.",
    "run_quorum_check: a partition without quorum waits like a standby. In 2011 it was told that"
    " the target is fenced.",
    "A number or a yes that can't be read is an error of the configuration, not the default.",
)


def can_be_used(device: Device, journal: Journal) -> bool:
    """Whether the standby's command can be run at all. Raises HaError. The command is not run."""
    if not device.standby_command:
        return True
    from pmkvm import shell_text
    from pmkvm.deadline import Deadline

    found = shell_text.fault(device.standby_command, Deadline(CHECK_S))
    if found is not None:
        journal.complain(f"standby_check_command: {found.text}")
    return found is None


def counts_as_fenced(device: Device, action: str, host: str, journal: Journal) -> bool:
    """Whether the administrator's own words make a death of silence; after the wait, if not."""
    if not device.has(host):
        journal.complain(f"{host or 'no name'}: there is no such node in hostlist")
        return False
    if action == "on":
        journal.complain(f"{action} of {host}: this device switches nothing on")
        return False
    # Loaded here: the other actions see nothing.
    from stonith.stonith_helper import look

    what = f"{action} of {host}"
    if device.addresses:
        replies = look.replies(device.addresses, device.trials, journal)
        if decision.is_silent(replies):
            line = f"{what}: no address answers, and trust_dead_check has that count as fenced"
            journal.record(line, is_good=True)
            return True
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
    return False


def _wait(what: str, wait: Wait, journal: Journal) -> None:
    verb = f"waiting {wait.seconds:g} s" if wait.seconds else "no wait"
    journal.record(f"{what}: {verb}, {wait.reason}", is_good=True)
    time.sleep(wait.seconds)
