# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that belongs to an enemy beside a fence: nothing happens outside that guest."""

from __future__ import annotations

import pytest

from tests.hostile_guest import KINDS
from tests.lab.guests.enemy import Enemy
from tests.lab.guests.fencing_guest import CONNECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.guests.pair import Pair

# The unit tests have all of them at once.
pytestmark = pytest.mark.rotating(parts=11)

SPEAKS_S = 8.0
GROWTH_KIB = 8192
# A burst in each daemon's log, and what follows in that time.
LINES = 130


@pytest.fixture(scope="module")
def enemies() -> list[tuple[Pair, Enemy]]:
    """The only one, once it is made, and beside whom."""
    return []


@pytest.fixture
def enemy(pair: Pair, enemies: list[tuple[Pair, Enemy]]) -> Enemy:
    if not enemies or enemies[0][0] is not pair:
        enemies[:] = [(pair, Enemy.make(pair))]
    return enemies[0][1]


@pytest.mark.parametrize("kind", KINDS)
def test_an_enemy_changes_nothing_outside_itself(pair: Pair, enemy: Enemy, kind: str) -> None:
    counter = enemy.registered.counter
    boots, own = pair.requester.counter.boots(), counter.boots()
    boot = pair.place(pair.lab.hosts[0])
    fences = len(pair.proven())
    before = enemy.daemons()
    with enemy.speaks(kind, SPEAKS_S):
        answered = pair.answer("reset", through=CONNECT)
    after = enemy.daemons()
    proven = pair.proven()[fences:]
    print(f"{kind}: {answered.took_s:.2f} s, {proven}, {after.grown_kib(before)} KiB")
    assert answered.is_ok, answered
    assert [pair.requester.resource in one.line for one in proven] == [True]
    assert max(after.grown_kib(before)) < GROWTH_KIB
    check_lines(enemy, after.since(before))
    pair.returned(boot)
    assert pair.leftovers("Started", boots) == []
    assert counter.boots() == own


def check_lines(enemy: Enemy, lines: list[str]) -> None:
    """The log names it, and is written by it neither long nor in its own words."""
    about = [line for line in lines if enemy.registered.resource in line]
    print(f"{len(about)} lines of {len(lines)}, the last: {about[-1:]}")
    assert 0 < len(about) < LINES
    assert all(line.isprintable() for line in lines)
