# SPDX-License-Identifier: GPL-2.0-or-later
"""What a round's disturbances explain by themselves. What Pacemaker does by itself is told by its
own lines, and explains no false OK.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.faults import faults
from tests.lab.faults.faults import Fault
from tests.lab.soak import pacemaker
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


STAMP = "Nov 30 22:37:55.148 host3"
DULL = f"{STAMP} pacemaker-controld  [93] (throttle_check_thresholds) \tnotice: High CPU load"
# As Pacemaker 2.1.5 and 3.0.0 write them.
REFRESH = (
    f"{STAMP} pacemaker-controld  [93] (do_lrm_rsc_op) \terror: Could not initiate start action"
    " for resource prmVMCTL_guest2 locally: Transport endpoint is not connected | rc=107"
)
LOST = (
    f"{STAMP} pacemaker-controld  [93] (action_timer_callback) \terror: Node host2 did not send"
    " stop result (via controller) within 60000ms (action timeout plus cluster-delay)"
)
IGNORED = LOST.replace("action timeout plus cluster-delay", "ignoring because transition not in")
NO_ATTRIBUTE = (
    f"{STAMP} pacemaker-controld  [93] (update_attrd_helper) \terror: Could not update attribute"
    " shutdown=0 for node host3: Connection refused | rc=111"
)
GIVEN_UP = (
    f"{STAMP} pacemakerd          [90] (pcmk_child_exit) \twarning: pacemaker-controld[93] exited"
    " with status 100 (Fatal error occurred, will not respawn)"
)


@pytest.mark.parametrize(
    ("lines", "text"),
    [([REFRESH], "refresh"), ([LOST], "is lost"), ([NO_ATTRIBUTE, GIVEN_UP], "attribute manager")],
)
def test_each_is_told_by_its_lines(lines: list[str], text: str) -> None:
    (found,) = pacemaker.spoilt({"host1": [DULL], "host3": [DULL, *lines, *lines]})
    assert text in found.name
    assert (found.host, found.line) == ("host3", lines[-1])
    assert pacemaker.unexplained(["P5: host3 was fenced", "P6: late"], [found]) == []


def test_less_is_no_proof() -> None:
    logs = {"host1": [DULL, IGNORED, GIVEN_UP], "host2": [NO_ATTRIBUTE]}
    assert pacemaker.spoilt(logs) == []
    assert pacemaker.unexplained(["P5: host3 was fenced"], []) == ["P5: host3 was fenced"]


def test_nothing_explains_a_life_that_is_not_over_or_a_dead_guest_that_fences() -> None:
    found = pacemaker.spoilt({"host3": [REFRESH, LOST, NO_ATTRIBUTE, GIVEN_UP]})
    assert len(found) == len(pacemaker.DOINGS)
    complaints = ["P1: it outlived the OK", "P2: it was ended", "P4: both live"]
    assert pacemaker.unexplained([*complaints, "P5: host3 was fenced"], found) == complaints
