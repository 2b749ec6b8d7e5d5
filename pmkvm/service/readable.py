# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon's status for a person: its JSON as lines of a name and a value. Pure.

What stands in it may be a guest's text: all that is not printable is escaped.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What fits beside a name; a longer list has a line for each of its items.
_WIDTH = 60


def readable(report: str) -> str:
    """Of what is no JSON object, the text itself."""
    try:
        said = json.loads(report)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return f"{_plain(report)}\n"
    return "".join(f"{line}\n" for line in _lines(said))


def _lines(fields: dict[str, object]) -> Iterator[str]:
    width = max(map(len, fields), default=0)
    for key, value in fields.items():
        head = f"{_plain(key.replace('_', ' ')):{width}}  "
        if not isinstance(value, list):
            yield f"{head}{_word(value)}"
            continue
        words = [] if any(isinstance(each, dict) for each in value) else [_word(v) for v in value]
        if len(", ".join(words)) <= _WIDTH and (words or not value):
            yield f"{head}{', '.join(words) or 'none'}"
            continue
        yield head.rstrip()
        for each in value:
            inner = [*_lines(each)] if isinstance(each, dict) else [_word(each)]
            yield from (f"  {'-' if n == 0 else ' '} {line}" for n, line in enumerate(inner))


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", {}):
        return "-"
    if isinstance(value, dict):
        # What stands in it further down is left as it is.
        inner = (
            (k, _plain(_text(v)) if isinstance(v, dict) else _word(v)) for k, v in value.items()
        )
        return ", ".join(f"{_plain(key.replace('_', ' '))} {word}" for key, word in inner)
    return _plain(_text(value))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
