# SPDX-License-Identifier: GPL-2.0-or-later
"""A figure's picture, alike to the byte for the same records. The only module with matplotlib."""

from __future__ import annotations

import textwrap
from io import BytesIO
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from tests.measurements import tables
from tests.measurements.figures import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from tests.measurements.figures import Figure
    from tests.measurements.record import Point
    from tests.measurements.tables import Run

# Text stays text, and the names of what is in the picture follow from its content alone.
_SETTINGS = {
    "savefig.format": "svg",
    "svg.hashsalt": "pm_kvm_tools",
    "svg.fonttype": "none",
    "font.size": 9,
}
_INCHES, _BAR_INCHES, _REST_INCHES = 8.0, 0.24, 1.6
_COLOURS = ("#1f5fa8", "#d9822b", "#3a8f5c", "#8a4fa3", "#b03a48", "#6b6b6b")
_THICK, _THIN = 0.62, 1.4
_CAPTION_COLUMNS = 130


class _Bar(NamedTuple):
    label: str
    length: float
    least: float
    most: float


def svg(figure: Figure, points: Sequence[Point]) -> bytes:
    own = tables.runs(figure, points)
    count = sum(len(run.points) for run in own)
    is_bars = figure.kind is Kind.BARS
    height = _REST_INCHES + _BAR_INCHES * count if is_bars else 4.2
    with rc_context(_SETTINGS):
        canvas = Canvas(figsize=(_INCHES, height), layout="constrained")
        axes = canvas.subplots()
        axes.set_title(figure.title, loc="left", fontweight="bold")
        (_bars if is_bars else _lines)(axes, figure, own)
        canvas.supxlabel(_caption(own), fontsize=6.5, color="#555555", x=0.01, ha="left")
        written = BytesIO()
        canvas.savefig(written, metadata=_metadata(figure, points))
    # Else the lines of a path end with a blank.
    lines = written.getvalue().decode().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines).encode()


def _metadata(figure: Figure, points: Sequence[Point]) -> dict[str, str | None]:
    said = tables.said(figure, points)
    return {
        "Title": figure.title,
        "Description": said,
        "Creator": "tests.measurements",
        "Date": None,
    }


def _caption(own: Sequence[Run]) -> str:
    sentences = (textwrap.wrap(run.origin.sentence(), _CAPTION_COLUMNS) for run in own)
    return "\n".join(line for lines in sentences for line in lines)


def _bars(axes: Axes, figure: Figure, own: Sequence[Run]) -> None:
    """One below the other; a thin line from the least to the most."""
    is_ratio = not any(point.median is not None for run in own for point in run.points)
    at, places, labels = 0.0, [], []
    for number, run in enumerate(own):
        bars = [_bar(point, run, own, is_ratio=is_ratio) for point in run.points]
        rows = [at + row for row in range(len(bars))]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.barh(rows, [bar.length for bar in bars], _THICK, color=colour, alpha=0.75)
        axes.hlines(
            rows,
            [bar.least for bar in bars],
            [bar.most for bar in bars],
            color="#222222",
            linewidth=_THIN,
        )
        places += rows
        labels += [bar.label for bar in bars]
        at += len(bars)
    axes.set_yticks(places, labels)
    # The first one on top.
    axes.set_ylim(at - 0.4, -0.6)
    axes.set_axisbelow(b=True)
    axes.set_xlim(0)
    axes.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)
    unit = own[0].points[0].unit
    axes.set_xlabel(
        f"of {figure.peer}"
        if is_ratio
        else f"{unit}: a bar to the median, a line from the least to the most"
    )


def _bar(point: Point, run: Run, own: Sequence[Run], *, is_ratio: bool) -> _Bar:
    parts = [point.series, str(point.at), _told_apart(run, own)]
    label = ", ".join(part for part in parts if part)
    length = (point.ratio if is_ratio else point.median) or 0.0
    least = length if point.least is None or is_ratio else point.least
    most = length if point.most is None or is_ratio else point.most
    return _Bar(label, length, least, most)


def _lines(axes: Axes, figure: Figure, own: Sequence[Run]) -> None:
    number, ticks = 0, set()
    for run in own:
        apart = _told_apart(run, own)
        for series in dict.fromkeys(point.series for point in run.points):
            places = [(int(one.at), one.median) for one in run.points if one.series == series]
            ordered = sorted((at, value) for at, value in places if value is not None)
            axes.plot(
                [at for at, _value in ordered],
                [value for _at, value in ordered],
                marker="o",
                markersize=4,
                color=_COLOURS[number % len(_COLOURS)],
                label=f"{series}, {apart}" if apart else series,
            )
            ticks |= {float(at) for at, _value in ordered}
            number += 1
    axes.set_xticks(sorted(ticks))
    axes.set_xlabel(figure.at)
    axes.set_ylabel(own[0].points[0].unit)
    axes.set_ylim(0)
    axes.grid(visible=True, axis="both", color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False)


def _told_apart(run: Run, own: Sequence[Run]) -> str:
    """What a label adds where one series ran on several platforms."""
    pacemaker = run.origin.pacemaker
    differs = len({each.origin.pacemaker for each in own if each.origin.pacemaker}) > 1
    return f"Pacemaker {pacemaker}" if differs and pacemaker else ""
