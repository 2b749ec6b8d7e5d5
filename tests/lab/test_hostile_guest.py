# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that belongs to an enemy beside a fence: nothing happens outside that guest."""

from __future__ import annotations

import pytest

from tests.hostile_guest import KINDS
from tests.lab.enemy import Enemy
from tests.lab.fencing_guest import CONNECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.pair import Pair

# Those that reach furthest; the unit tests have all of them at once.
SAMPLE = ("floods with greetings", "has a stolen token", "claims to be another")
SPEAKS_S = 8.0
GROWTH_KIB = 8192
LINES = 70


@pytest.fixture(scope="module")
def enemies() -> list[Enemy]:
    """Its only one, once it is made."""
    return []


@pytest.fixture
def enemy(pair: Pair, enemies: list[Enemy]) -> Enemy:
    if not enemies:
        enemies.append(Enemy.make(pair))
    return enemies[0]


def test_an_enemy_changes_nothing_outside_itself(pair: Pair, enemy: Enemy, is_full: bool) -> None:
    counter = enemy.registered.counter
    boots, own = pair.requester.counter.boots(), counter.boots()
    for kind in KINDS if is_full else SAMPLE:
        boot = pair.place(pair.lab.hosts[0])
        fences = len(pair.proven())
        with enemy.speaks(kind, SPEAKS_S):
            before = enemy.daemons()
            answered = pair.answer("reset", through=CONNECT)
        after = enemy.daemons()
        proven = pair.proven()[fences:]
        print(f"{kind}: {answered.took_s:.2f} s, {proven}, {after.grown_kib(before)} KiB")
        assert answered.is_ok, (kind, answered)
        assert [pair.requester.resource in one.line for one in proven] == [True]
        assert max(after.grown_kib(before)) < GROWTH_KIB, kind
        check_lines(enemy, kind, after.since(before))
        pair.returned(boot)
        assert pair.leftovers("Started", boots) == [], kind
        assert counter.boots() == own, kind
    enemy.forgive()
    assert pair.answer("status").is_ok


def check_lines(enemy: Enemy, kind: str, lines: list[str]) -> None:
    """The log names it, and is written by it neither long nor in its own words."""
    about = [line for line in lines if enemy.registered.resource in line]
    print(f"{len(about)} lines of {len(lines)}, the last: {about[-1:]}")
    assert about, kind
    assert len(about) < LINES, kind
    assert all(line.isprintable() for line in lines), kind
