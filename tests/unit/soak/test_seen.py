# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from vm-stonithd's log, and when a guest was dead."""

from __future__ import annotations

from tests.lab.cluster.stonith import time_of
from tests.lab.guests.lives import Life
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
