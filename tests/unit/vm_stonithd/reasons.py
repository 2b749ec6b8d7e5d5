# SPDX-License-Identifier: GPL-2.0-or-later
"""The reasons of an NG that the manual explains. Whatever a test makes a machine say is held
against them: in table.py, and by the judge of the simulation."""

from __future__ import annotations

import re

from tests import tree


def _rows() -> frozenset[str]:
    """The first cells of the manual's tables."""
    text = (tree.ROOT / "doc" / "fencing.md").read_text(encoding="utf-8")
    section = text.partition("## What an NG says")[2].partition("\n## ")[0]
    return frozenset(re.findall(r"^\| `([^`]*)` \|", section, re.MULTILINE))


ROWS = _rows()
_ANY = "|".join(re.escape(row).replace("…", ".+") for row in sorted(ROWS))
_KNOWN = re.compile(rf"OK.*|NG (banned; )?(not proven on \S+: )?({_ANY})")


def is_explained(answer: str) -> bool:
    return _KNOWN.fullmatch(answer) is not None
