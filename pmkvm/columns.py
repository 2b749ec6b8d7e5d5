# SPDX-License-Identifier: GPL-2.0-or-later
"""A table for a person at a terminal. Pure."""

from __future__ import annotations

from unicodedata import east_asian_width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need, headed and underlined."""
    lines = [headings, *rows]
    widths = [max(map(_width, column)) for column in zip(*lines)]
    lines.insert(1, tuple("-" * width for width in widths))
    padded = ([c + " " * (w - _width(c)) for c, w in zip(line, widths)] for line in lines)
    return "".join("  ".join(cells).rstrip() + "\n" for cells in padded)


def _width(text: str) -> int:
    """In columns of a terminal: kana and kanji take two."""
    return len(text) + sum(east_asian_width(character) in "WF" for character in text)
