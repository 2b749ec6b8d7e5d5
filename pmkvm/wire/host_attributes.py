# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest asks of its host's node attributes, and the answer, as text. Pure.

The words are those of 2011: a guest names attributes with blanks between them, the answer is
NAME=VALUE,NAME=VALUE, and a value that is empty is not defined. New is that a comma in a value is
%2C there and a percent sign %25, and that an answer may begin with NG.

Neither end trusts the other's: names and values have a form and a length, on both sides.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pmkvm.wire.errors import MessageError
from pmkvm.wire.printable import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# With these an answer fits a frame, whatever the values are.
MOST_NAMES = 32
LONGEST_VALUE_BYTES = 255

NG = "NG "

# Of what Pacemaker itself reserves (#...) only the attributes of a node's health can be told.
_NAME = re.compile(r"(?:[A-Za-z_]|#health)[A-Za-z0-9_.:-]{0,63}", re.ASCII)
# By these Pacemaker is told to do something with a node, or remembers what it did.
_ORDERS = frozenset({"maintenance", "probe_complete", "shutdown", "standby", "terminate"})
_REMEMBERED = ("fail-count-", "last-failure-")
_ESCAPED = re.compile("%(..?)?", re.DOTALL)
_WRITTEN = {"%": "%25", ",": "%2C"}
_READ = {written: plain for plain, written in _WRITTEN.items()}


class Answer(NamedTuple):
    """values: what counts, by name; an attribute that is not in it is not defined on the host.
    dropped: what was said, and does not count, for a log."""

    values: Mapping[str, str]
    dropped: Sequence[str]


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """Whether it may cross the channel."""
    if not text or not text.isprintable():
        return False
    return len(text.encode(errors="replace")) <= LONGEST_VALUE_BYTES


def names_of(text: str) -> tuple[str, ...]:
    """The names of a question, each once. Raises MessageError."""
    names = tuple(dict.fromkeys(text.split()))
    if not 0 < len(names) <= MOST_NAMES:
        raise MessageError(f"{len(names)} names of attributes, of 1 to {MOST_NAMES} allowed")
    for name in names:
        if not is_name(name):
            raise MessageError(f"{shown(name)} is no name of an attribute that can be asked for")
    return names


def names_for_this_node(text: str) -> tuple[str, ...]:
    """The same, of attributes that another cluster may set on this node. Raises MessageError."""
    names = names_of(text)
    for name in names:
        if name in _ORDERS or name.startswith(_REMEMBERED):
            raise MessageError(f"{name} is Pacemaker's own: no host may set it here")
    return names


def encode(values: Mapping[str, str]) -> str:
    """The answer. Each name is one, each value fit or empty."""
    return ",".join(f"{name}={_written(value)}" for name, value in values.items())


def refusal(reason: str) -> str:
    return f"{NG}{reason}"


def decode(text: str, asked: Sequence[str]) -> Answer:
    """Raises MessageError, with the reason if the host gives one."""
    if text.startswith(NG):
        raise MessageError(f"the host says {shown(text)}")
    values: dict[str, str] = {}
    dropped: list[str] = []
    for item in text.split(","):
        name, equals, written = item.partition("=")
        if not equals:
            raise MessageError(f"the host's answer is not understood: {shown(item)}")
        value = _plain(written)
        if name not in asked or name in values:
            dropped.append(shown(name))
        elif is_value(value):
            values[name] = value
        elif value:
            dropped.append(f"the value of {name}, {shown(value)}")
    return Answer(values, dropped)


def _written(value: str) -> str:
    return "".join(_WRITTEN.get(character, character) for character in value)


def _plain(written: str) -> str:
    def read(match: re.Match[str]) -> str:
        if match[0] not in _READ:
            raise MessageError(f"the host's answer is not understood: {shown(written)}")
        return _READ[match[0]]

    return _ESCAPED.sub(read, written)
