# SPDX-License-Identifier: GPL-2.0-or-later
"""A text of the slides of 2011 as it is printed, and what has to change in it today."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Deviation(NamedTuple):
    """Where today's text differs from the printed one; pattern is a regular expression."""

    reason: str
    pattern: str
    replacement: str


# In most texts of the slides.
BACKSLASHES = Deviation(
    "crmsh takes what follows such a backslash for more of the same line",
    r"( \\\n\s*)+(?=(clone|group|location|order|primitive) )",
    "\n",
)


def printed(*names: str) -> str:
    """Files of this folder, put together: each has one text of the slides to the letter."""
    here = Path(__file__).parent
    return "".join((here / name).read_text(encoding="utf-8") for name in names)


def changed(printed: str, changes: Iterable[Deviation]) -> str:
    """The printed text with these changes, each of which must find its place."""
    text = printed
    for change in changes:
        text, times = re.subn(change.pattern, change.replacement, text)
        if not times:
            raise ValueError(f"not in the printed text: {change.pattern}")
    return text
