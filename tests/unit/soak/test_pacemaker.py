# SPDX-License-Identifier: GPL-2.0-or-later
"""What Pacemaker does by itself is told by its own lines, and explains no false OK."""

from __future__ import annotations

import pytest

from tests.lab.soak import pacemaker

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
