# SPDX-License-Identifier: GPL-2.0-or-later
"""What lies between two states of a CIB: objects for a person, one write for Pacemaker. Pure."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from pmkvm.pacemaker.cib import Change
from pmkvm.pacemaker.document import REFERENCES, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.document import CibDocument


class Difference(NamedTuple):
    """Primitives, constraints and tags: new ones, changed ones as they were and are, and gone ones.

    gone has none that must go because it refers to another one of them.
    """

    new: list[Element]
    changed: list[tuple[Element, Element]]
    gone: list[Element]


def between(before: CibDocument, after: CibDocument) -> Difference:
    old, new = dict(_objects(before)), dict(_objects(after))
    both = ((old[key], each) for key, each in new.items() if key in old)
    return Difference(
        [each for key, each in new.items() if key not in old],
        [(was, now) for was, now in both if text(was) != text(now)],
        _roots([each for key, each in old.items() if key not in new]),
    )


def change(before: CibDocument, after: CibDocument) -> Change | None:
    """The one write that makes the one the other; None when they are alike.

    There is none for more than additions, or more than removals, outside of the constraints.
    """
    gone: list[Element] = []
    merged = _additions(before.configuration, after.configuration, gone)
    if not gone:
        return None if merged is None else Change(merged=text(merged))
    if merged is None:
        return Change(removed=[str(each.get("id")) for each in _roots(gone)])
    if any(child.tag != "constraints" for child in merged):
        raise ValueError("removals beside additions, and not in the constraints alone")
    return Change(constraints=text(after.section("constraints")))


def _objects(cib_document: CibDocument) -> Iterator[tuple[str, Element]]:
    for path in ("resources//primitive", "constraints/*", "tags/*"):
        for element in cib_document.configuration.iterfind(path):
            yield str(element.get("id")), element


def _roots(gone: list[Element]) -> list[Element]:
    ids = {each.get("id") for each in gone}
    others = REFERENCES[1:]
    return [each for each in gone if ids.isdisjoint(filter(None, map(each.get, others)))]


def _additions(before: Element, after: Element, gone: list[Element]) -> Element | None:
    """The tree of what is new, with all that leads to it and the ids that find it again.

    gone takes what is no longer there. An attribute can't be removed, so that its element goes.
    """
    known = {_key(child): child for child in before}
    parts: list[Element | None] = []
    for child in after:
        old = known.pop(_key(child), None)
        if old is not None and set(old.attrib) <= set(child.attrib):
            parts.append(_additions(old, child, gone))
        else:
            parts.append(deepcopy(child))
            gone += [] if old is None else [old]
    gone += known.values()
    found = [part for part in parts if part is not None]
    if not found and before.attrib == after.attrib:
        return None
    own = ElementTree.Element(after.tag)
    own.attrib.update(after.attrib)
    own.extend(found)
    return own


def _key(element: Element) -> tuple[object, str | None]:
    return element.tag, element.get("id") or element.get("id-ref")
