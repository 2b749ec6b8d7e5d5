# SPDX-License-Identifier: GPL-2.0-or-later
"""What a round's disturbances explain by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.faults import faults
from tests.lab.faults.faults import Fault
from tests.lab.soak.allowance import Allowance, allowance
from tests.lab.soak.plan import HOSTS, Situation
from tests.unit.soak.rounds import LEAVE, LOSS, MOVE, PLAN, STANDBY, STOP, disturbed

NOTHING = Allowance(frozenset(), frozenset(), False, False, False, True)


@pytest.mark.parametrize(
    ("own", "changes"),
    [
        ([], {}),
        ([Fault(faults.STONITHD, faults.KILLED, "host1")], {}),
        (
            [LOSS],
            {"risk": {"host2"}, "upset": {"host2"}, "moves": True, "migrates": True},
        ),
        ([LEAVE], {"upset": {"host3"}, "moves": True, "migrates": True}),
        ([STANDBY], {"upset": {"host1"}, "moves": True, "migrates": True}),
        ([MOVE], {"moves": True, "migrates": True}),
        ([STOP], {"moves": True, "kept": True}),
    ],
)
def test_each_explains_its_own(own: list[Fault], changes: dict[str, Any]) -> None:
    assert allowance(disturbed(*own)) == NOTHING._replace(**changes)


def test_two_hosts_away_leave_no_quorum_and_upset_all() -> None:
    found = allowance(disturbed(LOSS, LEAVE))
    assert not found.has_quorum
    assert found.upset == {*HOSTS}
    assert found.risk == {"host2"}
    assert allowance(disturbed(LOSS, STANDBY)).has_quorum


def test_the_dc_may_be_any_host() -> None:
    dc = Fault(faults.CLUSTER, "has its DC leave, and come back", moves=True)
    assert allowance(disturbed(dc)).upset == {*HOSTS}
    assert allowance(disturbed(dc)).has_quorum
    assert not allowance(disturbed(dc, LOSS)).has_quorum


def test_a_situation_explains_too() -> None:
    assert allowance(PLAN._replace(situation=Situation.STOPPING)).kept
    assert allowance(PLAN._replace(situation=Situation.MIGRATING)).migrates
