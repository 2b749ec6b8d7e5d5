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

LIGHT: Any = importlib.import_module("pmkvm.light_types")


class LightPoint(LIGHT.NamedTuple):  # type: ignore[misc]
    x: int
    y: int = 2
    label: str | None = None

    @property
    def total(self) -> int:
        return int(self.x + self.y)


class RealPoint(typing.NamedTuple):
    x: int
    y: int = 2
    label: str | None = None

    @property
    def total(self) -> int:
        return self.x + self.y


class LightLevel(LIGHT.IntEnum):  # type: ignore[misc]
    """Levels."""

    LOW = 1
    HIGH = 7


class RealLevel(enum.IntEnum):
    """Levels."""

    LOW = 1
    HIGH = 7


each_tuple = pytest.mark.parametrize("point", [LightPoint, RealPoint])
each_enum = pytest.mark.parametrize("level", [LightLevel, RealLevel])


@each_tuple
def test_fields_are_taken_by_place_by_name_and_by_default(point: Any) -> None:
    for made in (point(1), point(1, 2), point(x=1), point(1, y=2, label=None), point(1, 2, None)):
        assert (made.x, made.y, made.label) == (1, 2, None)
        assert made == (1, 2, None)


@each_tuple
def test_it_is_a_tuple(point: Any) -> None:
    x, y, label = point(1, label="a")
    assert (x, y, label) == (1, 2, "a")
    assert isinstance(point(1), tuple)
    assert {point(1): "found"}[point(1, 2)] == "found"
    assert point(1) != point(2)
    assert sorted([point(2), point(1)])[0].x == 1


@each_tuple
def test_it_has_properties_of_its_own(point: Any) -> None:
    assert point(3, 4).total == 7


@each_tuple
def test_a_changed_copy_leaves_the_first_alone(point: Any) -> None:
    first = point(1)
    assert first._replace(y=5) == point(1, 5)
    assert first.y == 2
    assert type(first._replace(y=5)) is point


@each_tuple
def test_its_fields_by_name(point: Any) -> None:
    assert point._fields == ("x", "y", "label")
    made = point(1, label="a")._asdict()
    assert made == {"x": 1, "y": 2, "label": "a"}
    assert type(made) is dict
    assert list(made) == ["x", "y", "label"]


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


@each_tuple
def test_a_field_cannot_be_set(point: Any) -> None:
    made = point(1)
    with pytest.raises(AttributeError):
        made.x = 2


@each_tuple
@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, None, 4), {}), ((), {"y": 1}), ((1,), {"z": 1}), ((1, 2, None), {"z": 1})],
)
def test_a_missing_or_an_unknown_field_is_a_type_error(
    point: Any, values: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(TypeError):
        point(*values, **named)


@each_tuple
def test_it_shows_its_fields(point: Any) -> None:
    assert repr(point(1, label="a")) == f"{point.__name__}(x=1, y=2, label='a')"


@each_enum
def test_a_member_is_its_number_and_knows_its_name(level: Any) -> None:
    assert level.HIGH == 7
    assert level.HIGH.name == "HIGH"
    assert level(1) == level.LOW
    assert level(1).name == "LOW"
    assert isinstance(level.LOW, level)
    assert not isinstance(1, level)
    assert isinstance(level.LOW, int)


@each_enum
def test_a_member_is_found_among_members_and_as_a_key(level: Any) -> None:
    assert level(7) in (level.LOW, level.HIGH)
    assert {level.LOW: "low"}[1] == "low"
    assert level.LOW < level.HIGH


def test_a_number_without_a_name_is_still_one_of_the_kind() -> None:
    """libvirt may know more states than we do; a monitor must say so and not fall over."""
    unknown = LightLevel(5)
    assert isinstance(unknown, LightLevel)
    assert unknown == 5
    assert unknown.name == str(unknown) == "LightLevel 5"
