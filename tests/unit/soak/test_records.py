# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from vm-stonithd's log, when a guest was dead, and what a record of the soak comes
to.
"""

from __future__ import annotations

import json
from typing import Any

from tests.lab.cluster.stonith import time_of
from tests.lab.guests.lives import Life
from tests.lab.soak import summary
from tests.lab.soak.record import BROKEN, FAILED, HELD, SPOILT
from tests.lab.soak.seen import died_s, lines

RESET = "5be0cd19137e2179 prmVMCTL_guest1 reset prmVMCTL_guest2"
OFF = "5be0cd19137e2180 prmVMCTL_guest3 off prmVMCTL_guest2"
BAN = "ban 9c41d7e02b6f5a13"
SAID = {
    "21:45:10.100": f"{RESET}: waits: maintenance",
    "21:45:12.345": f"{RESET}: killed QEMU 17, 18 ({BAN} of host1)",
    "21:45:12.545": f"{RESET} on host2: OK, dead on host1, host2, host3 (361 ms, {BAN})",
    "21:45:13.000": f"{OFF}: OK, proven by another host (1361 ms, {BAN})",
    "21:45:14.000": f"{OFF}: NG no quorum (1361 ms, ban -)",
}
LOG = [f"2026-11-30 {at} vm-stonithd[12] info: {text}" for at, text in SAID.items()]


def test_kills_and_oks_are_read_and_nothing_else() -> None:
    kill, ok, joined = lines("host1", LOG, time_of(LOG[0]))
    assert (kill.is_kill, kill.target, kill.ban) == (True, "prmVMCTL_guest2", "9c41d7e02b6f5a13")
    assert kill.request == ok.request == "5be0cd19137e2179"
    assert (ok.is_kill, ok.asker, ok.operation) == (False, "prmVMCTL_guest1", "reset")
    assert (ok.took_s, ok.ban, ok.at_s) == (0.361, kill.ban, time_of(LOG[2]))
    assert (joined.asker, joined.operation, joined.took_s) == ("prmVMCTL_guest3", "off", 1.361)


def test_what_was_said_before_the_round_is_not_of_it() -> None:
    assert [one.is_kill for one in lines("host1", LOG, time_of(LOG[2]))] == [False, False]


def test_a_guest_is_dead_when_no_qemu_of_it_is_left() -> None:
    first, moved = Life("host1", 90.0, 105.0), Life("host2", 104.0, 110.0)
    assert died_s([first, moved], 100.0, 120.0) == 110.0
    assert died_s([first, moved], 100.0, 110.0) is None
    assert died_s([moved._replace(first_s=105.5), first], 100.0, 120.0) == 105.0
    assert died_s([], 100.0, 120.0) == 100.0


ROW: dict[str, Any] = {
    "run": "1",
    "seed": 7,
    "round": 1,
    "verdict": HELD,
    "told": [{"text": "OK", "ok": True, "took_s": 2.0}],
    "lines": [{"what": "killed", "took_s": 0.0}, {"what": "OK", "took_s": 0.4}],
    "sorts": ["vm-stonithd of host1 killed"],
    "broken": [],
    "spoilt": [],
    "pacemaker": "2.1.5-1",
    "libvirt": "9.0.0",
    "commit": "0123",
    "new_lab": False,
    "all_s": 30.0,
}


def found(*changes: dict[str, Any]) -> dict[str, str]:
    rows = [{**ROW, "round": number, **change} for number, change in enumerate(changes, 1)]
    cells = [[*map(str.strip, line.split("|")[1:-1])] for line in summary.table(rows)]
    return {cell[0]: cell[1] for cell in cells}


def test_rounds_are_counted_by_what_came_of_them() -> None:
    doing = {"name": "gives up", "host": "host1", "line": "exited with status 100"}
    table = found(
        {},
        {"verdict": SPOILT, "broken": ["P5: host1 was fenced"], "spoilt": [doing]},
        {"verdict": BROKEN, "broken": ["P1: it lives"]},
        {"verdict": FAILED, "broken": ["not lived through: no lab"], "told": [], "new_lab": True},
    )
    assert table["versions"] == "pacemaker 2.1.5-1, libvirt 9.0.0, commit 0123"
    assert table["rounds"] == "4"
    assert [table[verdict] for verdict in (HELD, SPOILT, BROKEN, FAILED)] == ["1"] * 4
    assert table["new labs after a round"] == "1"
    assert table["broken 7:3"] == "P1: it lives"
    assert table["spoilt by Pacemaker 7:2"] == "P5: host1 was fenced"
    assert table["Pacemaker in 7:2"] == "gives up: `exited with status 100`"


def test_answers_are_counted_by_their_reason_and_measured() -> None:
    ng = {"text": "ERROR: NG no quorum", "ok": False, "took_s": 20.0}
    table = found(
        {"told": [*ROW["told"], ng]},
        {"told": [{**ng, "text": "NG host2 is neither a member nor down for good"}]},
        {"told": [{**ng, "text": "NG host3 is neither a member nor down for good"}]},
        {"told": [{**ng, "text": None}]},
    )
    assert table["requests"] == "5"
    assert table["OK"] == "1"
    assert table["OK after, in the guest: median, 95 %, most"] == "2.00 s, 2.00 s, 2.00 s"
    assert table["OK after, on the host: median, 95 %, most"] == "0.40 s, 0.40 s, 0.40 s"
    assert table["answer: NG host is neither a member nor down for good"] == "2"
    assert table[f"answer: {summary.GONE}"] == "1"
    assert table["disturbance: vm-stonithd of host killed"] == "4"


def test_a_record_goes_on_from_run_to_run_and_the_last_one_counts() -> None:
    runs = ["1", "1", "2", "2", "2"]
    rows = summary.last_run(json.dumps({**ROW, "run": run}) for run in runs)
    assert [row["run"] for row in rows] == ["2", "2", "2"]
