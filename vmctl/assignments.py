# SPDX-License-Identifier: GPL-2.0-or-later
"""The syntax of vm-ctl.conf: key=value and key=(several values), quotes, comments. No expansion."""

from __future__ import annotations

import re
from typing import NamedTuple

# One piece of a value: quoted text, or a character. What a shell would execute or expand is none.
PIECE = r"\"[^\"$`\\\n]*\"|'[^'\n]*'|(?<=[^\s(])#|[^\s\"'()#;&|<>$`\\]"
# A # inside a value begins no comment.
COMMENT = r"(?<![^\s(])#[^\n]*"
REST = rf"[ \t]*(?:{COMMENT})?(?:\n|\Z)"
NOTHING = re.compile(REST)
STATEMENT = re.compile(
    rf"[ \t]*(?P<key>[A-Za-z_][A-Za-z0-9_]*)="
    rf"(?:\((?P<list>(?:{PIECE}|{COMMENT}|\s)*)\)|(?P<one>(?:{PIECE})*)){REST}"
)
VALUE = re.compile(rf"{COMMENT}|(?P<value>(?:{PIECE})+)")
QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
ALLOWED = "allowed: key=value, key=(value value), quotes, # text, and no $, ` or \\"


class Assignment(NamedTuple):
    key: str
    values: tuple[str, ...]
    line: int


Faults = list[tuple[int, str]]


def parse(text: str) -> tuple[dict[str, Assignment], Faults]:
    """All assignments by key (the last one of a key counts), and what is wrong in which line."""
    found: dict[str, Assignment] = {}
    faults: Faults = []
    position, line = 0, 1
    while position < len(text):
        statement = STATEMENT.match(text, position)
        match = statement or NOTHING.match(text, position)
        end = match.end() if match else (text.find("\n", position) + 1 or len(text))
        if statement:
            found[statement["key"]] = Assignment(statement["key"], _values(statement), line)
        elif not match:
            said = text[position:end].strip()
            faults.append((line, f"{said!r} is not understood; {ALLOWED}"))
        line += text.count("\n", position, end)
        position = end
    return found, faults


def _values(statement: re.Match[str]) -> tuple[str, ...]:
    if statement["list"] is None:
        return (_unquoted(statement["one"]),)
    values = (match["value"] for match in VALUE.finditer(statement["list"]))
    return tuple(_unquoted(value) for value in values if value is not None)


def _unquoted(value: str) -> str:
    return QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", value)
