# SPDX-License-Identifier: GPL-2.0-or-later
"""The syntax of vm-ctl.conf: key=value and key=(several values), quotes, comments. No expansion."""

from __future__ import annotations

import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ASSIGNMENT = re.compile(r"\s*(?P<key>[A-Za-z_][A-Za-z0-9_]*)=(?P<rest>.*)", re.DOTALL)
# Unquoted text ends where a shell would end the word.
WORD = re.compile(r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'()#;&|<>][^\s\"'();&|<>]*)+")
QUOTED = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'")
EXECUTED = re.compile(r"[$`\\]")


class Assignment(NamedTuple):
    key: str
    words: tuple[str, ...]
    line: int


Faults = list[tuple[int, str]]


def parse(text: str) -> tuple[dict[str, Assignment], Faults]:
    """All assignments by key (the last one of a key counts), and what is wrong in which line."""
    found: dict[str, Assignment] = {}
    faults: Faults = []
    for line, statement in _statements(text):
        match = ASSIGNMENT.fullmatch(statement)
        if match is None:
            faults.append(
                (line, "not an assignment; allowed: key=value, key=(value value), # text")
            )
            continue
        try:
            words = _value(match["rest"])
        except ValueError as error:
            faults.append((line, f"{match['key']}: {error}"))
        else:
            found[match["key"]] = Assignment(match["key"], words, line)
    return found, faults


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their number; an array may go on over several lines."""
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not begun and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = first if begun else number
        begun += _without_comment(line) + "\n"
        opens = re.match(r"\s*\w+=\(", begun) is not None
        if not opens or ")" in _unquoted(begun):
            yield first, begun.rstrip()
            begun = ""
    if begun:
        yield first, begun.rstrip()


def _without_comment(line: str) -> str:
    """A comment begins at a # that begins a word outside quotes."""
    for match in re.finditer(r"\"[^\"]*\"|'[^']*'|(?:(?<=[\s()])|^)(#)", line):
        if match[1]:
            return line[: match.start()]
    return line


def _unquoted(text: str) -> str:
    return QUOTED.sub("", text)


def _value(rest: str) -> tuple[str, ...]:
    rest = rest.strip()
    if EXECUTED.search(rest):
        raise ValueError("$, ` and \\ have no meaning here; allowed: plain and quoted text")
    if not rest.startswith("("):
        words = _words(rest)
        if len(words) > 1:
            raise ValueError("several values; allowed: one, or several in parentheses")
        return words or ("",)
    if not rest.endswith(")"):
        raise ValueError("nothing may follow the list, and it ends with )")
    return _words(rest[1:-1])


def _words(text: str) -> tuple[str, ...]:
    words: list[str] = []
    end = 0
    for match in WORD.finditer(text):
        if text[end : match.start()].strip() or (words and match.start() == end):
            break
        words.append(QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", match[0]))
        end = match.end()
    if text[end:].strip():
        raise ValueError(f"{text[end:].strip()!r} is not understood; allowed: plain or quoted text")
    return tuple(words)
