# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of /etc/vm-manager.conf: which attributes guests may see, and as which words. Pure.

A section is an attribute that guests may see. Each of its lines is WORD = OPERATOR COMPARISON, and
the first that fits names the word that guests get; without one they get the value as it is.
"""

from __future__ import annotations

import configparser
import re
from typing import NamedTuple

from pmkvm.errors import HaError
from pmkvm.wire import host_attributes
from pmkvm.wire.printable import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Longer ones are no numbers of an attribute, and take int() long.
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)

_OF_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda value, other: value.casefold() == other.casefold(),
    "ne": lambda value, other: value.casefold() != other.casefold(),
}
_OF_NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
    "lt": lambda value, other: value < other,
    "gt": lambda value, other: value > other,
    "lte": lambda value, other: value <= other,
    "gte": lambda value, other: value >= other,
}
OPERATORS = (*_OF_TEXT, *_OF_NUMBERS)


class RulesError(HaError):
    """The file is not understood."""


class Rule(NamedTuple):
    word: str
    operator: str
    comparison: str


class Rules:
    """What guests may see."""

    def __init__(self, by_name: Mapping[str, tuple[Rule, ...]]) -> None:
        self._by_name = by_name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def allows(self, name: str) -> bool:
        return name in self._by_name

    def told(self, name: str, value: str) -> str:
        """What guests get of it; empty where there is no value or it may not be seen."""
        if not value or not self.allows(name):
            return ""
        fitting = (rule.word for rule in self._by_name[name] if _fits(rule, value))
        return next(fitting, value)


def parse(text: str) -> Rules:
    """Raises RulesError, in one line."""
    # No section of ours is called as the one whose lines all others would have.
    parser = configparser.RawConfigParser(
        default_section="\n",
        delimiters=("=",),
        comment_prefixes=("#", ";"),
        empty_lines_in_values=False,
    )
    # Words are told as they are written.
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise RulesError(" ".join(str(error).split())) from error
    return Rules({name: _rules(name, parser) for name in parser.sections()})


def _rules(name: str, parser: configparser.RawConfigParser) -> tuple[Rule, ...]:
    if not host_attributes.is_name(name):
        raise RulesError(f"[{name}] is no name of an attribute: {shown(name)}")
    return tuple(_rule(name, word, value) for word, value in parser.items(name))


def _rule(name: str, word: str, text: str) -> Rule:
    operator, _, comparison = text.partition(" ")
    comparison = comparison.strip()
    where = f"[{name}] {shown(word)}"
    if not host_attributes.is_value(word):
        raise RulesError(f"{where} is no word that can be told")
    if operator not in OPERATORS or not comparison or "\n" in text:
        raise RulesError(f"{where} needs one of {', '.join(OPERATORS)}, a blank and a comparison")
    return Rule(word, operator, comparison)


def _fits(rule: Rule, value: str) -> bool:
    """A comparison of numbers with something that is none does not fit."""
    if rule.operator in _OF_TEXT:
        return _OF_TEXT[rule.operator](value, rule.comparison)
    if not (_NUMBER.fullmatch(value) and _NUMBER.fullmatch(rule.comparison)):
        return False
    return _OF_NUMBERS[rule.operator](int(value), int(rule.comparison))
