# SPDX-License-Identifier: GPL-2.0-or-later
"""A figure's part of its page: where it comes from, a table, and its picture. Pure."""

from __future__ import annotations

import hashlib
import textwrap
from typing import NamedTuple

from tests.measurements.figures import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.measurements.figures import Figure
    from tests.measurements.origin import Origin
    from tests.measurements.record import Point

WIDTH = 120
_SPREAD = ("n", "least", "median", "most", "ratio")


class Run(NamedTuple):
    """What one figure has of one run, or of several that came from the same place."""

    origin: Origin
    points: tuple[Point, ...]


def runs(figure: Figure, points: Sequence[Point]) -> list[Run]:
    """In the order in which the records have them."""
    found: dict[Origin, list[Point]] = {}
    for point in points:
        if point.figure == figure.name:
            found.setdefault(point.origin, []).append(point)
    return [Run(origin, tuple(own)) for origin, own in found.items()]


def part(figure: Figure, points: Sequence[Point]) -> str:
    """Lines of Markdown for between the figure's two marks."""
    lines = []
    for run in runs(figure, points):
        lines += ["", *_wrapped(f"{figure.title}: {run.origin.sentence()}."), ""]
        lines += (along if figure.kind is Kind.LINES else table)(figure, run.points)
    lines += ["", f"![{figure.title}]({figure.name}.svg)", ""]
    return "\n".join([*lines, ""])


def digest(figure: Figure, points: Sequence[Point]) -> str:
    """Of what the picture shows: one that is older than its records is found by it."""
    lines = [repr(figure), *(point.line() for point in points if point.figure == figure.name)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def said(figure: Figure, points: Sequence[Point]) -> str:
    """What the picture tells of itself."""
    sentences = "; ".join(run.origin.sentence() for run in runs(figure, points))
    return f"{sentences}; records {digest(figure, points)}"


def table(figure: Figure, points: Sequence[Point]) -> Iterator[str]:
    """A row for each point, a column for each field that one of them has."""
    spread = [name for name in _SPREAD if any(getattr(one, name) is not None for one in points)]
    also = [*dict.fromkeys(title for one in points for title in one.also)]
    has_at = any(one.at != "" for one in points)
    titles = [figure.series, *([figure.at] if has_at else []), *also]
    titles += [f"of {figure.peer}" if name == "ratio" else name for name in spread]
    yield _row(titles)
    yield f"|{'---|' * len(titles)}"
    for one in points:
        cells = [one.series, *([str(one.at)] if has_at else [])]
        cells += [str(one.also.get(title, "")) for title in also]
        cells += [_value(one, name) for name in spread]
        yield _row(cells)


def along(figure: Figure, points: Sequence[Point]) -> Iterator[str]:
    """A row for each series, a column for each place along the axis: medians."""
    places = [*dict.fromkeys(point.at for point in points)]
    unit = points[0].unit
    yield _row([f"{figure.series}; by {figure.at} ({unit})", *(f"{place}" for place in places)])
    yield f"|{'---|' * (1 + len(places))}"
    for series in dict.fromkeys(point.series for point in points):
        own = {one.at: one.median for one in points if one.series == series}
        cells = [own.get(place) for place in places]
        yield _row([series, *("" if cell is None else f"{cell:g}" for cell in cells)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _value(point: Point, name: str) -> str:
    value = getattr(point, name)
    unit = "" if name in ("n", "ratio") else point.unit
    return "" if value is None else f"{value:g} {unit}".rstrip()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
