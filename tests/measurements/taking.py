# SPDX-License-Identifier: GPL-2.0-or-later
"""Which records stay when those of a new run are taken. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.measurements.record import Point

    Key = tuple[str, str, tuple[str, str]]


def last_of(points: Sequence[Point]) -> list[Point]:
    """Of each series the newest run alone, and of that each place's newest point."""
    newest = {_key(point): point.origin for point in points}
    found = {
        (_key(point), point.at): point for point in points if newest[_key(point)] == point.origin
    }
    return [*found.values()]


def taken(old: Sequence[Point], new: Sequence[Point], note: str = "") -> list[Point]:
    """A series of a new run takes the place of the one that ran on the same Pacemaker and libvirt:
    one on others stays beside it. The order of the series is as it was."""
    fresh = [
        point._replace(origin=point.origin._replace(note=note)) if note else point
        for point in last_of(new)
    ]
    order = {(one.figure, one.series): at for at, one in reversed([*enumerate(old)])}
    fresh.sort(key=lambda one: order.get((one.figure, one.series), len(old)))
    return [*(one for one in old if not any(_gives_way(one, to) for to in fresh)), *fresh]


def _gives_way(old: Point, new: Point) -> bool:
    """What did not keep where it ran gives way to any."""
    pairs = zip(old.origin.platform, new.origin.platform)
    is_same = (old.figure, old.series) == (new.figure, new.series)
    return is_same and all(had in ("", has) for had, has in pairs)


def _key(point: Point) -> Key:
    return point.figure, point.series, point.origin.platform
