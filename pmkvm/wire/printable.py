# SPDX-License-Identifier: GPL-2.0-or-later
"""Foreign text made fit for a log: one line, no control characters, bounded."""

from __future__ import annotations

SHOWN_CHARACTERS = 80


def shown(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """In quotation marks; what a terminal or a log could take for its own is escaped."""
    cut = text[:limit]
    escaped = "".join(each if each.isprintable() and each != '"' else _escape(each) for each in cut)
    return f'"{escaped}"' if len(text) <= limit else f'"{escaped}"...'


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{{{number:x}}}" if number > 0xFF else f"\\x{number:02x}"  # noqa: PLR2004 - a byte
