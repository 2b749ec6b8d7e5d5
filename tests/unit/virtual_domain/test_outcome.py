# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a guest is after a migration that did not end well."""

from __future__ import annotations

import pytest

from agents.virtual_domain.outcome import Ends, Outcome, judge
from pmkvm.virt.connection import PausedReason, State, Status

BOOTED, MIGRATED, POSTCOPY = 1, 2, 10
RUNS = Status(State.RUNNING, BOOTED)
CAME = Status(State.RUNNING, MIGRATED)
PAUSED = Status(State.PAUSED, 2)
OFF = Status(State.SHUTOFF, 1)


@pytest.mark.parametrize("here", [None, RUNS, PAUSED, OFF])
def test_without_a_qemu_here_it_is_there_or_nowhere(here: Status | None) -> None:
    assert judge(Ends(False, here, CAME)) == Outcome.ARRIVED
    assert judge(Ends(False, here, RUNS)) == Outcome.ARRIVED
    for there in (None, PAUSED, OFF):
        assert judge(Ends(False, here, there)) == Outcome.LOST


@pytest.mark.parametrize("here", [None, PAUSED, OFF])
def test_a_qemu_whose_guest_came_there_by_a_migration_is_a_shell(here: Status | None) -> None:
    assert judge(Ends(True, here, CAME)) == Outcome.SHELL


@pytest.mark.parametrize(
    "state",
    [
        State.NO_STATE,
        State.RUNNING,
        State.BLOCKED,
        State.SHUTDOWN,
        State.CRASHED,
        State.PM_SUSPENDED,
    ],
)
@pytest.mark.parametrize("there", [None, PAUSED, OFF, RUNS, CAME])
def test_what_libvirt_says_to_live_here_is_no_shell(state: State, there: Status | None) -> None:
    assert judge(Ends(True, Status(state, 0), there)) == Outcome.STAYS


@pytest.mark.parametrize(
    "there", [None, PAUSED, OFF, RUNS, Status(State.RUNNING, POSTCOPY), Status(State.CRASHED, 2)]
)
@pytest.mark.parametrize("here", [None, PAUSED, OFF])
def test_a_qemu_is_a_shell_only_if_its_guest_is_whole_elsewhere(
    here: Status | None, there: Status | None
) -> None:
    assert judge(Ends(True, here, there)) == Outcome.STAYS


@pytest.mark.parametrize("reason", [PausedReason.POSTCOPY, PausedReason.POSTCOPY_FAILED])
@pytest.mark.parametrize("there", [None, PAUSED, RUNS, CAME])
def test_a_guest_that_post_copy_has_cut_in_two_is_left_alone(
    reason: int, there: Status | None
) -> None:
    assert judge(Ends(True, Status(State.PAUSED, reason), there)) == Outcome.SPLIT


@pytest.mark.parametrize(
    ("ends", "is_open"),
    [
        (Ends(True, None, PAUSED), True),
        (Ends(True, PAUSED, PAUSED), True),
        (Ends(False, RUNS, PAUSED), True),
        (Ends(True, RUNS, PAUSED), False),
        (Ends(True, None, None), False),
        (Ends(False, None, OFF), False),
    ],
)
def test_who_is_looked_at_again(ends: Ends, is_open: bool) -> None:
    assert ends.may_yet_run_there == is_open
