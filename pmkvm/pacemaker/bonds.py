# SPDX-License-Identifier: GPL-2.0-or-later
"""What the constraints of a CIB ask of other resources before one may start. Pure.

Constraints with sets are taken apart as Pacemaker does it (2.1.5, tests/tools/test_bonds.py). In
a colocation each member of a sequential set needs the one before it, and each set needs the next
one. In an order each member, and each set, needs the one before it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.pacemaker import resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    Pairs = Iterator[tuple[str, tuple[str, ...]]]

_STARTS = ("start", "promote")
_HOLDERS = ("primitive", "group", "clone", "master", "bundle")


class Kind(Enum):
    """WITH: only where the other runs. APART: never there. AFTER: once the other has started."""

    WITH = "with"
    APART = "apart"
    AFTER = "after"


class Bond(NamedTuple):
    """What one constraint asks; of several others one is enough."""

    id: str
    kind: Kind
    others: tuple[str, ...]


class _Set(NamedTuple):
    members: tuple[str, ...]
    is_sequential: bool
    needs_all: bool
    action: str

    @property
    def first(self) -> tuple[str, ...]:
        return self.members[:1] if self.is_sequential else self.members

    @property
    def last(self) -> tuple[str, ...]:
        return self.members[-1:] if self.is_sequential else self.members


def index(configuration: Element) -> dict[str, list[Bond]]:
    """The bonds of each resource, by its id; a group's and a clone's count for all in it."""
    tags = {
        each.get("id", ""): tuple(ref.get("id", "") for ref in each)
        for each in configuration.iterfind("tags/tag")
    }
    found: dict[str, list[Bond]] = {}
    for kind, constraint, name, others in _all(configuration):
        for holder in tags.get(name, (name,)):
            for meant in _meant(others, tags):
                found.setdefault(holder, []).append(Bond(constraint, kind, meant))
    for section in configuration.iterfind("resources"):
        _hand_down(section, (), found)
    return found


def _meant(others: tuple[str, ...], tags: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """A tag stands for all that have it."""
    return [(each,) for each in tags.get(others[0], others)] if len(others) == 1 else [others]


def _hand_down(around: Element, inherited: tuple[Bond, ...], found: dict[str, list[Bond]]) -> None:
    for child in around:
        if child.tag in _HOLDERS:
            own = found.setdefault(child.get("id", ""), [])
            own += inherited
            _hand_down(child, tuple(own), found)


def _all(configuration: Element) -> Iterator[tuple[Kind, str, str, tuple[str, ...]]]:
    for constraint, kind, pairs in _constraints(configuration):
        if kind is not None:
            yield from ((kind, constraint.get("id", ""), *each) for each in pairs)


def _constraints(configuration: Element) -> Iterator[tuple[Element, Kind | None, Pairs]]:
    for each in configuration.iterfind("constraints/rsc_colocation"):
        kind = _colocated(each)
        yield each, kind, _colocations(each, kind)
    for each in configuration.iterfind("constraints/rsc_order"):
        yield each, Kind.AFTER if _is_mandatory(each) else None, _orders(each)
    for each in configuration.iterfind("resources//group"):
        yield each, Kind.AFTER, _grouped(each)


def _colocated(colocation: Element) -> Kind | None:
    try:
        score = resource.score(colocation.get("score", "0"))
    except ValueError:
        return None
    if score >= resource.INFINITY:
        return Kind.WITH
    return Kind.APART if score <= -resource.INFINITY else None


def _is_mandatory(order: Element) -> bool:
    kind, score = order.get("kind"), order.get("score", "INFINITY")
    if kind is not None:
        return kind == "Mandatory"
    try:
        return resource.score(score) > 0
    except ValueError:
        return False


def _sets(constraint: Element) -> list[_Set]:
    return [
        _Set(
            tuple(ref.get("id", "") for ref in each.iterfind("resource_ref")),
            each.get("sequential", "true") == "true",
            each.get("require-all", "true") == "true",
            each.get("action", "start"),
        )
        for each in constraint.iterfind("resource_set")
    ]


def _colocations(colocation: Element, kind: Kind | None) -> Pairs:
    sets = _sets(colocation)
    if not sets and colocation.get("rsc") and colocation.get("with-rsc"):
        yield colocation.get("rsc", ""), (colocation.get("with-rsc", ""),)
    for each in filter(lambda one: one.is_sequential, sets):
        for at, name in enumerate(each.members):
            # Who is to be apart is so from all of the set.
            nearest = max(at - 1, 0) if kind is Kind.WITH else 0
            yield from ((name, (other,)) for other in each.members[nearest:at])
    for one, following in zip(sets, sets[1:]):
        yield from ((name, (other,)) for name in one.first for other in following.last)


def _orders(order: Element) -> Pairs:
    sets = _sets(order)
    if not sets and order.get("first") and order.get("then"):
        first = order.get("first-action", "start")
        if first in _STARTS and order.get("then-action", first) in _STARTS:
            yield order.get("then", ""), (order.get("first", ""),)
    for each in sets:
        if each.is_sequential and each.action in _STARTS:
            yield from ((name, (before,)) for before, name in zip(each.members, each.members[1:]))
    for before, each in zip(sets, sets[1:]):
        if {before.action, each.action} <= set(_STARTS):
            for name in each.first:
                needed = [before.last] if not before.needs_all else [(one,) for one in before.last]
                yield from ((name, others) for others in needed if others)


def _grouped(group: Element) -> Pairs:
    members = [child.get("id", "") for child in group if child.tag == "primitive"]
    yield from ((name, (before,)) for before, name in zip(members, members[1:]))
