# SPDX-License-Identifier: GPL-2.0-or-later
"""The primitives of a CIB, each with its template and with what is around it. Pure."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_AROUND = ("group", "clone", "master", "bundle")
# A group in a clone or a bundle: no schema nests more, and Pacemaker looks no deeper.
_DEEPEST = 2
_NAMES = ("class", "provider", "type")


class Primitive(NamedTuple):
    """around: the groups, clones and bundles that it is in, outermost first."""

    element: Element
    template: Element | None
    around: tuple[Element, ...]

    @property
    def id(self) -> str:
        return self.element.get("id", "")

    @property
    def kind(self) -> Element:
        """What says its class, provider and type: Pacemaker takes a template's word alone."""
        return self.element if self.template is None else self.template

    @property
    def agent(self) -> str:
        """As crm_mon writes it: class:provider:type, without what there is not."""
        return ":".join(filter(None, map(self.kind.get, _NAMES)))

    @property
    def is_alone(self) -> bool:
        """Not in what may run more than once, or elsewhere than where it seems to."""
        return [each.tag for each in self.around] in ([], ["group"])


def find(resources: Element) -> Iterator[Primitive]:
    """All that Pacemaker takes; one whose template is not there it refuses."""
    templates: dict[str, Element] = {}
    for template in resources.findall("template"):
        templates.setdefault(template.get("id", ""), template)
    for element, around in _walk(resources, ()):
        name = element.get("template", "")
        if not name or name in templates:
            yield Primitive(element, templates.get(name) if name else None, around)


def _walk(
    parent: Element, around: tuple[Element, ...]
) -> Iterator[tuple[Element, tuple[Element, ...]]]:
    for child in parent:
        if child.tag == "primitive":
            yield child, around
        elif child.tag in _AROUND and len(around) < _DEEPEST:
            yield from _walk(child, (*around, child))
