# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CIB alone says of one parameter of a resource. Pure.

Which of several values counts is Pacemaker's to decide, by scores, order, rules, references and
the node, and releases differ in it. Nothing of that is repeated here: where the CIB holds one
value, without a condition, that is the value on every host; else Pacemaker has to be asked.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.primitives import Primitive

# A value that takes back another one.
_DEFAULT = "#default"


class Parameter(NamedTuple):
    """possible: every value that the agent could be given, on some host at some time.

    unclear: why the CIB alone does not tell which. per_operation: why nobody can tell: what one
    operation is given another is not. Both are for a person, and empty as a rule.
    """

    possible: tuple[str, ...] = ()
    unclear: str = ""
    per_operation: str = ""

    @property
    def is_plain(self) -> bool:
        return not self.unclear and not self.per_operation

    @property
    def value(self) -> str:
        """What the agent is given on every host, empty for nothing. Only if it is plain."""
        if not self.is_plain:
            raise ValueError(self.unclear or self.per_operation)
        return self.possible[0] if self.possible else ""


class _Given(NamedTuple):
    """A place that gives the parameter, or may: with a doubt, which is a reason to ask."""

    values: tuple[str, ...]
    doubt: str = ""


class References:
    """What the id-refs of a CIB stand for; drawn up when there is one, which is rare."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._known: dict[tuple[str, str], Element] = {}

    def follow(self, element: Element) -> Element | None:
        """The element itself if it holds no id-ref. None if what it refers to is not there."""
        name = element.get("id-ref")
        if name is None:
            return element
        if not self._known:
            for each in self._root.iter():
                self._known.setdefault((each.tag, each.get("id", "")), each)
        return self._known.get((element.tag, name))


def read(name: str, primitive: Primitive, references: References) -> Parameter:
    """From all that Pacemaker takes it from: the template, the primitive, what is around it; and
    the operations, each of which may be given another value."""
    own = [each for each in (primitive.template, primitive.element) if each is not None]
    places = [
        given for holder in (*own, *primitive.around) for given in _given(name, holder, references)
    ]
    exceptions = [
        (operation.get("name"), given)
        for holder in own
        for operation in _operations(holder, references)
        for given in _given(name, operation, references)
    ]
    if len(places) <= 1 and not exceptions and not any(given.doubt for given in places):
        return Parameter(places[0].values) if places else Parameter()
    doubts = [f"{name} is given {len(places)} times"] * (len(places) > 1)
    doubts += [given.doubt for given in places if given.doubt]
    operations = " and ".join(dict.fromkeys(str(operation) for operation, _ in exceptions))
    every = [*places, *(given for _, given in exceptions)]
    return Parameter(
        possible=tuple(dict.fromkeys(value for given in every for value in given.values)),
        unclear=", ".join(dict.fromkeys(doubts)),
        per_operation=f"{operations} may be given another {name}" if operations else "",
    )


def _operations(holder: Element, references: References) -> Iterator[Element]:
    """Those that are given anything."""
    for own in holder.findall("operations"):
        operations = references.follow(own)
        # From a list that is not there Pacemaker takes nothing either.
        if operations is not None:
            yield from filter(len, operations)


def _given(name: str, holder: Element, references: References) -> Iterator[_Given]:
    for own in holder.findall("instance_attributes"):
        values = references.follow(own)
        if values is None:
            yield _Given((), f"an id-ref leads nowhere: {own.get('id-ref')}")
            continue
        doubts = [f"an id-ref brings it: {own.get('id-ref')}"] * (values is not own)
        if values.find("rule") is not None:
            doubts.append("a rule decides")
        if values.find("attributes") is not None:
            # Only a CIB that is not validated can hold this form.
            yield _Given((), "it is in a form of old")
        for pair in values.findall("nvpair"):
            if pair.get("id-ref") is not None:
                yield from _referred(name, pair, doubts, references)
            elif pair.get("name") == name:
                yield _plain(pair, doubts)


def _plain(pair: Element, doubts: list[str]) -> _Given:
    value = pair.get("value")
    if value is None or value.lower() == _DEFAULT:
        doubts = [*doubts, "it has no value"]
    return _Given(() if value is None else (value,), ", ".join(doubts))


def _referred(
    name: str, pair: Element, doubts: list[str], references: References
) -> Iterator[_Given]:
    """Which name and which value count, the pair's own or the other's, differs by release."""
    both = [each for each in (pair, references.follow(pair)) if each is not None]
    names = [each.get("name") for each in both if each.get("name") is not None]
    if name in names or not names:
        values = [each.get("value") for each in both]
        doubt = f"an id-ref brings it: {pair.get('id-ref')}"
        yield _Given(tuple(filter(None, values)), ", ".join((*doubts, doubt)))
