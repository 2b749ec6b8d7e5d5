# SPDX-License-Identifier: GPL-2.0-or-later
"""The truth table, whole: every state that libvirt has, and none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.guest.judgement import (
    DEAD,
    Verdict,
    judge_by_libvirt,
    judge_living,
    judge_silence,
)
from agents.virtual_domain.parameters import PARAMETERS
from pmkvm.ocf.codes import OcfCode
from pmkvm.virt.connection import PausedReason, State, Status

if TYPE_CHECKING:
    from collections.abc import Callable

SUCCESS, GENERIC, NOT_RUNNING = OcfCode.SUCCESS, OcfCode.GENERIC, OcfCode.NOT_RUNNING
DEGRADED = OcfCode.DEGRADED

# State, code while its QEMU lives, whether that is the last word, code where only libvirt knows.
TABLE = [
    (State.NO_STATE, SUCCESS, True, SUCCESS),
    (State.RUNNING, SUCCESS, True, SUCCESS),
    (State.BLOCKED, SUCCESS, True, SUCCESS),
    (State.PAUSED, SUCCESS, True, SUCCESS),
    (State.SHUTDOWN, SUCCESS, True, SUCCESS),
    # libvirt is ahead of the process table for a moment: look again.
    (State.SHUTOFF, GENERIC, False, NOT_RUNNING),
    (State.CRASHED, GENERIC, True, GENERIC),
    (State.PM_SUSPENDED, DEGRADED, True, DEGRADED),
    # A libvirt of the future.
    (8, GENERIC, True, GENERIC),
    (None, GENERIC, False, NOT_RUNNING),
]


def status(state: int | None) -> Status | None:
    return None if state is None else Status(State(state), 0)


def test_the_table_has_every_state() -> None:
    assert [int(state) for state, *_ in TABLE[:8] if state is not None] == list(range(8))


@pytest.mark.parametrize(("state", "code", "is_final", "_by_libvirt"), TABLE)
def test_a_guest_whose_qemu_lives(
    state: int | None, code: OcfCode, is_final: bool, _by_libvirt: OcfCode
) -> None:
    verdict = judge_living(status(state))
    assert (verdict.code, verdict.is_final) == (code, is_final)
    assert verdict.code != NOT_RUNNING


@pytest.mark.parametrize(("state", "_living", "_final", "code"), TABLE)
def test_a_guest_that_only_libvirt_knows(
    state: int | None, _living: OcfCode, _final: bool, code: OcfCode
) -> None:
    verdict = judge_by_libvirt(status(state))
    assert verdict.code == code
    assert verdict.is_final


def test_a_living_qemu_needs_no_libvirt() -> None:
    verdict = judge_silence("it is stuck")
    assert (verdict.code, verdict.is_final) == (SUCCESS, True)
    assert "it is stuck" in verdict.reason


def test_without_a_qemu_there_is_no_guest() -> None:
    assert (DEAD.code, DEAD.is_final, DEAD.lives) == (NOT_RUNNING, True, False)


def test_a_bad_verdict_names_the_state() -> None:
    assert "CRASHED" in judge_living(Status(State.CRASHED, 0)).reason
    assert "CRASHED" in judge_by_libvirt(Status(State.CRASHED, 0)).reason
    assert "8" in judge_living(status(8)).reason


# Why a guest is paused: every number that libvirt has.

PAUSED = [
    (0, SUCCESS),  # unknown
    (1, SUCCESS),  # by a person
    (2, SUCCESS),  # migration
    (3, SUCCESS),  # save
    (4, DEGRADED),  # dump
    (6, DEGRADED),  # its watchdog
    (7, SUCCESS),  # from a snapshot
    (8, SUCCESS),  # shutting down
    (9, SUCCESS),  # snapshot
    (10, GENERIC),  # crashed
    (11, SUCCESS),  # starting up
    (12, SUCCESS),  # post-copy
    (13, DEGRADED),  # failed post-copy
    (14, DEGRADED),  # an error of libvirt's
    (15, SUCCESS),  # a libvirt of the future
]


@pytest.mark.parametrize(("reason", "code"), PAUSED)
@pytest.mark.parametrize("judge", [judge_living, judge_by_libvirt])
def test_a_paused_guest_is_what_paused_it(
    judge: Callable[[Status, str], Verdict], reason: int, code: OcfCode
) -> None:
    verdict = judge(Status(State.PAUSED, reason), "failed")
    assert (verdict.code, verdict.wants_resume) == (code, False)
    assert verdict.lives == (code != GENERIC)


POLICIES = {"ok": SUCCESS, "degraded": DEGRADED, "failed": GENERIC, "resume": DEGRADED}


@pytest.mark.parametrize("policy", POLICIES)
def test_an_io_error_is_what_the_parameter_says(policy: str) -> None:
    verdict = judge_living(Status(State.PAUSED, PausedReason.IO_ERROR), policy)
    assert (verdict.code, verdict.is_final) == (POLICIES[policy], True)
    assert verdict.wants_resume == (policy == "resume")
    assert "virsh resume" in verdict.reason
    assert {*POLICIES} == {*next(one.choices for one in PARAMETERS if one.name == "on_io_error")}
