# SPDX-License-Identifier: GPL-2.0-or-later
"""Which combinations of a fence's step, ban and write are valid."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.fence import NEEDS, Fence, Step
from pmkvm.fencing.ban import RESET, Ban

OWN = Ban("guest2", RESET, "b1", "guest1", "hash1", "host1", "uuid", end=1)
OTHERS = OWN._replace(coordinator="host2")


def fence(step: Step, ban: Ban | None, ticket: int) -> Fence:
    made = Fence("guest2", "host1")
    made.step, made.ban, made.ticket = step, ban, ticket
    return made


def test_every_step_has_its_needs() -> None:
    assert set(NEEDS) == set(Step)


@pytest.mark.parametrize(
    ("step", "ban", "ticket"),
    [
        (Step.WAITING, None, 0),
        (Step.WAITING, OTHERS, 3),
        (Step.WRITING, OWN, 3),
        (Step.PROVING, OTHERS, 0),
        (Step.PROVING, OWN, 3),
        (Step.ENDING, OWN, 3),
        (Step.REPLACING, OWN, 0),
    ],
)
def test_a_valid_one_has_no_fault(step: Step, ban: Ban | None, ticket: int) -> None:
    assert fence(step, ban, ticket).fault() == ""


@pytest.mark.parametrize(
    ("step", "ban", "ticket", "fault"),
    [
        (Step.WRITING, OWN, 0, "writing: write is False"),
        (Step.WRITING, OTHERS, 3, "writing: is_own is False"),
        (Step.PROVING, None, 0, "proving: ban is False"),
        (Step.ENDING, OTHERS, 0, "ending: is_own is False"),
        (Step.REPLACING, None, 0, "replacing: ban is False, is_own is False"),
    ],
)
def test_an_invalid_one_is_named(step: Step, ban: Ban | None, ticket: int, fault: str) -> None:
    assert fence(step, ban, ticket).fault() == fault
