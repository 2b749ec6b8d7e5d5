# SPDX-License-Identifier: GPL-2.0-or-later
"""The cheap NamedTuple and IntEnum against the real ones, for all that we ask of them.

mypy sees only the real ones, so what is run here is looked up by name and is Any to it.
"""

from __future__ import annotations

import ast
import enum
import importlib
import typing
from typing import Any

import pytest

from tests import tree

if typing.TYPE_CHECKING:
    from collections.abc import Callable

LIGHT: Any = importlib.import_module("pmkvm.light_types")


def _point(base: Any) -> Any:
    class Point(base):  # type: ignore[misc]
        x: int
        y: int = 2
        label: str | None = None

        @property
        def total(self) -> int:
            return int(self.x + self.y)

    return Point


def _level(base: Any) -> Any:
    class Level(base):  # type: ignore[misc]
        """Levels."""

        LOW = 1
        HIGH = 7

    return Level


LightPoint, RealPoint = _point(LIGHT.NamedTuple), _point(typing.NamedTuple)
LightLevel, RealLevel = _level(LIGHT.IntEnum), _level(enum.IntEnum)

POINTS: dict[str, Callable[[Any], Any]] = {
    "made in any way": lambda point: [
        tuple(made)
        for made in (
            point(1),
            point(1, 2),
            point(x=1),
            point(1, y=2, label=None),
            point(1, 2, None),
        )
    ],
    "its fields": lambda point: [(made.x, made.y, made.label) for made in (point(1), point(3, 4))],
    "a tuple": lambda point: (isinstance(point(1), tuple), point(1) == (1, 2, None)),
    "a key": lambda point: {point(1): "found"}[point(1, 2)],
    "unlike another": lambda point: point(1) != point(2),
    "in order": lambda point: sorted([point(2), point(1)])[0].x,
    "its own property": lambda point: point(3, 4).total,
    "a changed copy": lambda point: _changed(point(1)),
    "names": lambda point: (point._fields, [*point(1, label="a")._asdict().items()]),
    "a plain dict": lambda point: type(point(1)._asdict()),
    "shown": lambda point: repr(point(1, label="a")),
}
LEVELS: dict[str, Callable[[Any], Any]] = {
    "a number": lambda level: (int(level.HIGH), level.HIGH == 7, isinstance(level.LOW, int)),
    "its name": lambda level: (level.HIGH.name, level(1).name),
    "of its kind": lambda level: (isinstance(level(1), level), isinstance(1, level)),
    "among members": lambda level: (level(7) in (level.LOW, level.HIGH), level(1) == level.LOW),
    "a key": lambda level: {level.LOW: "low"}[1],
    "in order": lambda level: level.LOW < level.HIGH,
}
WRONG: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda point: point(),
    "one too many": lambda point: point(1, 2, None, 4),
    "not the first": lambda point: point(y=1),
    "an unknown one": lambda point: point(1, z=1),
    "an unknown one beside all": lambda point: point(1, 2, None, z=1),
}


def _changed(first: Any) -> tuple[object, ...]:
    changed = first._replace(y=5)
    return tuple(changed), first.y, type(changed) is type(first)


@pytest.mark.parametrize("look", POINTS.values(), ids=POINTS)
def test_a_tuple_is_as_a_real_one(look: Callable[[Any], Any]) -> None:
    assert look(LightPoint) == look(RealPoint)


@pytest.mark.parametrize("look", LEVELS.values(), ids=LEVELS)
def test_a_member_is_as_a_real_one(look: Callable[[Any], Any]) -> None:
    assert look(LightLevel) == look(RealLevel)


@pytest.mark.parametrize("point", [LightPoint, RealPoint], ids=["light", "real"])
@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_a_missing_or_an_unknown_field_is_a_type_error(
    point: Any, make: Callable[[Any], Any]
) -> None:
    with pytest.raises(TypeError):
        make(point)
    with pytest.raises(AttributeError):
        point(1).x = 2


def test_whatever_the_tree_asks_of_a_tuple_both_have() -> None:
    """mypy believes in the real one: what only that one has fails where it runs."""
    named = set(dir(RealPoint)) - set(dir(tuple)) - {"x", "y", "label", "total"}
    own = {name for name in named if not name.startswith("__")}
    used = {
        node.attr
        for module in tree.read(tree.ROOT).values()
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.Attribute) and not _is_of_its_own_class(node)
    }
    assert {"_asdict", "_replace"} <= used & own
    assert [name for name in sorted(used & own) if not hasattr(LightPoint, name)] == []


def _is_of_its_own_class(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def test_a_number_without_a_name_is_still_one_of_the_kind() -> None:
    """libvirt may know more states than we do; a monitor must say so and not fall over."""
    unknown = LightLevel(5)
    assert isinstance(unknown, LightLevel)
    assert unknown == 5
    assert unknown.name == str(unknown) == "Level 5"
