# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's parameter config, given in more than one way: what stands first in the CIB is not what
Pacemaker hands to the agent, or is none. Pure."""

from __future__ import annotations

import copy
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, fromstring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE, SHARED = "tplGuest2", "tplShared"
# A node attribute that has another value on each host: the host's name.
SITE = "site"

_ALWAYS = '<date_expression id="{id}-date" operation="gt" start="2020-01-01"/>'
_NEVER = '<date_expression id="{id}-date" operation="lt" end="2020-01-01"/>'
_ON = '<expression id="{id}-on" attribute="{attribute}" operation="eq" value="{value}"/>'
_RULE = '<rule id="{id}-rule" boolean-op="and" score="0">{test}</rule>'


class Paths(NamedTuple):
    """Definition files: used is the one that the guest runs from; copy says the same in another
    place; other is of another domain."""

    used: str
    copy: str
    other: str


class Shape(NamedTuple):
    """sets: of the primitive, in this order, {used}, {copy} and {other} for the paths.

    template: the sets of a template that the primitive is made from. shared: those of a template
    that nothing is made from, to be referred to.
    """

    name: str
    sets: str
    template: str = ""
    shared: str = ""

    def apply(self, resources: Element, resource: str, paths: Paths) -> Element:
        """The section with the resource in this shape, its other parameters as they are."""
        section = copy.deepcopy(resources)
        places = enumerate(section)
        at, primitive = next((n, one) for n, one in places if one.get("id") == resource)
        for each in primitive.iterfind("instance_attributes"):
            for pair in each.findall("nvpair[@name='config']"):
                each.remove(pair)
        agent = {name: primitive.get(name, "") for name in ("class", "provider", "type")}
        values = paths._asdict()
        if self.template:
            section.insert(at, _template(TEMPLATE, agent, self.template, values))
            for name in agent:
                del primitive.attrib[name]
            primitive.set("template", TEMPLATE)
        if self.shared:
            section.insert(at, _template(SHARED, agent, self.shared, values))
        behind = 1 + list(primitive).index(_first(primitive, "instance_attributes"))
        for number, each in enumerate(_elements(self.sets, values)):
            primitive.insert(behind + number, each)
        return section


def _set(name: str, path: str, test: str = "", score: str = "") -> str:
    has_score = f' score="{score}"' if score else ""
    rule = _RULE.format(id=name, test=test.replace("{id}", name)) if test else ""
    pair = f'<nvpair id="{name}-config" name="config" value="{path}"/>'
    return f'<instance_attributes id="{name}"{has_score}>{rule}{pair}</instance_attributes>'


def _on(attribute: str, value: str) -> str:
    return _ON.replace("{attribute}", attribute).replace("{value}", value)


def _by_host(attribute: str, host1: str, host2: str) -> str:
    """A set for each host, with a higher score than one without any."""
    sets = (("host1", host1), ("host2", host2))
    return "".join(_set(f"on-{host}", path, _on(attribute, host), "10") for host, path in sets)


_OTHER_FIRST = _set("first", "{other}")

# In each of them the guest runs from the file that is used, on host2, whatever stands first.
SHAPES = (
    Shape("two plain sets", _OTHER_FIRST + _set("last", "{used}")),
    Shape(
        "two sets with scores",
        _set("low", "{other}", score="1") + _set("high", "{used}", score="10"),
    ),
    Shape("a false rule", _set("never", "{other}", _NEVER, "10") + _set("last", "{used}")),
    Shape("a true date rule", _OTHER_FIRST + _set("always", "{used}", _ALWAYS, "10")),
    Shape("a rule by host name", _OTHER_FIRST + _by_host("#uname", "{copy}", "{used}")),
    Shape("a rule by node attribute", _OTHER_FIRST + _by_host(SITE, "{copy}", "{used}")),
    Shape("a template with a score", _OTHER_FIRST, template=_set("template", "{used}", score="10")),
    Shape(
        "a set by id-ref behind another",
        f'{_OTHER_FIRST}<instance_attributes id-ref="shared"/>',
        shared=_set("shared", "{used}"),
    ),
    Shape(
        "a set by id-ref alone",
        '<instance_attributes id-ref="shared"/>',
        shared=_set("shared", "{used}"),
    ),
    Shape(
        "a value by id-ref alone",
        '<instance_attributes id="own"><nvpair id-ref="shared-config"/></instance_attributes>',
        shared=_set("shared", "{used}"),
    ),
)
# The hosts' definitions are of two domains.
DIFFERENT = Shape(
    "a rule that gives the hosts two domains", _by_host("#uname", "{other}", "{used}")
)


def _template(name: str, agent: Mapping[str, str], sets: str, values: Mapping[str, str]) -> Element:
    template = Element("template", {"id": name, **agent})
    template.extend(_elements(sets, values))
    return template


def _elements(sets: str, values: Mapping[str, str]) -> list[Element]:
    return list(fromstring(f"<sets>{sets.format(**values)}</sets>"))


def _first(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return SubElement(parent, tag) if found is None else found
