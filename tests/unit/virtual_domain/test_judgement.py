# SPDX-License-Identifier: GPL-2.0-or-later
"""The truth table, whole: every state that libvirt has, and none."""

from __future__ import annotations

import pytest

from agents.virtual_domain.judgement import DEAD, judge_by_libvirt, judge_living, judge_silence
from pmkvm.ocf.codes import OcfCode
from pmkvm.virt.connection import State, Status

SUCCESS, GENERIC, NOT_RUNNING = OcfCode.SUCCESS, OcfCode.GENERIC, OcfCode.NOT_RUNNING

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
    (State.PM_SUSPENDED, GENERIC, True, GENERIC),
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
    assert (DEAD.code, DEAD.is_final) == (NOT_RUNNING, True)


def test_a_bad_verdict_names_the_state() -> None:
    assert "CRASHED" in judge_living(Status(State.CRASHED, 0)).reason
    assert "CRASHED" in judge_by_libvirt(Status(State.CRASHED, 0)).reason
    assert "8" in judge_living(status(8)).reason
