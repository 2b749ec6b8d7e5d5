# SPDX-License-Identifier: GPL-2.0-or-later
"""A fence beside an enemy that does what costs most, in turn with an idle one, in one run."""

from __future__ import annotations

import statistics

from tests.bench.test_fence import Stages, fence
from tests.hostile_guest import KINDS
from tests.lab.guests.enemy import Enemy
from tests.lab.guests.fencing_guest import CONNECT
from tests.measurements import record
from tests.measurements.record import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.pair import Pair

BAR = 2.0
SPEAKS_S = 6.0
# Each once: a median of ten.
COSTLY = (
    "floods",
    "floods with one request",
    "floods with greetings",
    "floods with markers",
    "has a token and floods",
    "has a stolen token",
    "sends the largest frames",
    "is slow",
    "hoards",
    "reads no answer",
)


def test_an_enemy_holds_up_no_fence(pair: Pair) -> None:
    enemy = Enemy.make(pair)
    idle: list[Stages] = []
    beside: list[Stages] = []
    for kind in COSTLY:
        assert kind in KINDS
        idle.append(fence(pair, CONNECT))
        before = enemy.daemons()
        beside.append(fence(pair, CONNECT, lambda kind=kind: enemy.speaks(kind, SPEAKS_S)))  # type: ignore[misc]
        grown = enemy.daemons().grown_kib(before)
        print(
            f"{kind:26} whole {idle[-1].whole:.2f} -> {beside[-1].whole:.2f} s, host"
            f" {idle[-1].until_answered:.2f} -> {beside[-1].until_answered:.2f} s,"
            f" memory {grown[0]:+d} and {grown[1]:+d} KiB"
        )
    for series, rounds in (("beside nobody", idle), ("beside a hostile guest", beside)):
        values = record.spread([one.until_answered for one in rounds])
        point = Point("fence-beside", series, "on the host", "s", **values)
        record.tell([point], pair.lab.hosts[0])
    for at, what in ((0, "whole"), (3, "host")):
        quiet, loud = (statistics.median(one[at] for one in rounds) for rounds in (idle, beside))
        print(f"{what}: median {quiet:.2f} s idle, {loud:.2f} s beside an enemy (bar {BAR})")
        assert loud <= BAR * quiet
