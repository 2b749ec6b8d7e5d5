# SPDX-License-Identifier: GPL-2.0-or-later
"""How the lab takes the time until all is well again."""

from __future__ import annotations

import threading

from tests.lab.errors import LabError
from tests.lab.faults.scarcity_recovery import Recovery

PATIENCE_S = 10.0


def test_who_does_not_answer_keeps_nobody_from_being_asked() -> None:
    is_asked = threading.Event()

    def second() -> bool:
        is_asked.set()
        return True

    wanted = {"first": lambda: is_asked.wait(PATIENCE_S), "second": second}
    recovery = Recovery(wanted, lambda: False)
    recovery.look()
    # Neither waited for the other one's answer.
    assert all(took is not None and took < PATIENCE_S / 2 for took in recovery.took.values())


def test_who_is_not_well_has_no_time_until_he_is() -> None:
    answers = iter([False, True])

    def deaf() -> bool:
        raise LabError("no answer")

    recovery = Recovery({"late": lambda: next(answers), "deaf": deaf}, lambda: False)
    recovery.look()
    assert recovery.took == {"late": None, "deaf": None}
    recovery.look()
    assert recovery.took["late"] is not None
    assert recovery.took["deaf"] is None
