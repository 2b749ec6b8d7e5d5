# SPDX-License-Identifier: GPL-2.0-or-later
"""The role that an `off` writes, and the mark that no administrator has written it. Pure.

An `on` undoes an `off` and nothing else. So the write of target-role=Stopped carries a second meta
attribute, whose value is the resource of the guest that asked. Whoever starts the target by hand
leaves the mark behind; any vm-stonithd takes it away then. A mark without a value is none:
vm-ctl empties it where an administrator stops what an `off` has stopped before.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from pmkvm.errors import HaError
from pmkvm.fencing.ban import check_id
from pmkvm.fencing.guard import Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

ROLE, MARK = "target-role", "stopped-by-fence"
STARTED, STOPPED = "Started", "Stopped"


class Written(NamedTuple):
    """What a primitive's own meta attributes say. by: the mark's value."""

    role: str = ""
    by: str = ""


def of(primitive: Element) -> Written:
    """Of several sets with a role, Stopped counts: see switch_off()."""
    pairs = list(primitive.iterfind("meta_attributes/nvpair"))
    roles = [each.get("value", "") for each in pairs if each.get("name") == ROLE]
    marks = [each.get("value", "") for each in pairs if each.get("name") == MARK]
    role = STOPPED if STOPPED in roles else next(iter(roles), "")
    return Written(role, next(filter(None, marks), ""))


def xpath(resource: str) -> str:
    """Of the primitive."""
    primitive = f"descendant::primitive[@id='{check_id(resource)}']"
    return f"/cib/configuration/resources/{primitive}"


def switch_off(document: str, resource: str, by: str) -> Write:
    """Stopped in each own set that has a role already, so that it holds whichever of them counts.

    document: the primitive. Raises HaError if it is none.
    """
    primitive = _parse(document, resource)
    own = list(_own_sets(primitive)) or [
        ElementTree.Element("meta_attributes", {"id": f"{resource}-meta_attributes"})
    ]
    first, *others = [each for each in own if _pairs(each, ROLE)] or own[:1]
    written = [_set(first, {ROLE: STOPPED, MARK: check_id(by)})]
    return _modify(resource, "", written + [_set(each, {ROLE: STOPPED}) for each in others])


def switch_on(document: str, resource: str) -> Write:
    """Started, only while Stopped and the mark are there. Raises HaError."""
    primitive = _parse(document, resource)
    sets = [each for each in _own_sets(primitive) if _pairs(each, ROLE)]
    guard = f"[{_has(ROLE, STOPPED)}][meta_attributes/nvpair[@name='{MARK}' and @value!='']]"
    return _modify(resource, guard, [_set(each, {ROLE: STARTED}) for each in sets])


def forget_mark(resource: str) -> Write:
    """Only while no own set says Stopped."""
    place = f"{xpath(resource)}[not({_has(ROLE, STOPPED)})]"
    return Write("--delete", f"{place}/meta_attributes/nvpair[@name='{MARK}']")


def _parse(document: str, resource: str) -> Element:
    try:
        primitive = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise HaError(f"the CIB has no primitive {resource} of its own: {error}") from error
    if primitive.tag != "primitive" or primitive.get("id") != resource:
        raise HaError(f"the CIB has no primitive {resource} of its own")
    return primitive


def _own_sets(primitive: Element) -> Iterator[Element]:
    """A set by id-ref is another's."""
    return (each for each in primitive.iterfind("meta_attributes") if each.get("id"))


def _pairs(owner: Element, name: str) -> list[Element]:
    found = (each for each in owner.iterfind("nvpair") if each.get("name") == name)
    return [each for each in found if each.get("id")]


def _set(owner: Element, values: dict[str, str]) -> str:
    pairs = []
    for name, value in values.items():
        ids = [each.get("id", "") for each in _pairs(owner, name)]
        pairs += [_pair(id_, name, value) for id_ in ids or [f"{owner.get('id')}-{name}"]]
    return (
        f"<meta_attributes id={quoteattr(owner.get('id', ''))}>{''.join(pairs)}</meta_attributes>"
    )


def _pair(id_: str, name: str, value: str) -> str:
    return f"<nvpair id={quoteattr(id_)} name={quoteattr(name)} value={quoteattr(value)}/>"


def _modify(resource: str, guard: str, sets: list[str]) -> Write:
    xml = f"<primitive id={quoteattr(resource)}>{''.join(sets)}</primitive>"
    return Write("--modify", f"{xpath(resource)}{guard}", xml)


def _has(name: str, value: str) -> str:
    return f"meta_attributes/nvpair[@name='{name}' and @value='{value}']"
