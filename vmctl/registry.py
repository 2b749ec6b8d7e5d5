# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CIB document holds about our guests. Reads only."""

from __future__ import annotations

from typing import Any, cast

from lxml import etree

from pmkvm.pacemaker import resource
from pmkvm.pacemaker.errors import BadAnswerError
from vmctl import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Registry:
    """One CIB document, indexed once; the document is never changed."""

    def __init__(self, document: str) -> None:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        try:
            root = etree.fromstring(document.encode(), parser)
        except etree.XMLSyntaxError as error:
            raise BadAnswerError(f"cibadmin's answer is no XML: {error}") from error
        configuration = root.find("configuration")
        if configuration is None:
            raise BadAnswerError("cibadmin's answer has no configuration")
        self.configuration = configuration
        self.ids = {str(element.get("id")) for element in configuration.iterfind(".//*[@id]")}
        self._primitives = {
            str(element.get("id")): element
            for element in configuration.iterfind("resources//primitive[@id]")
        }
        self._locations: dict[str, list[etree._Element]] = {}
        for location in configuration.iterfind("constraints/rsc_location[@rsc]"):
            self._locations.setdefault(str(location.get("rsc")), []).append(location)

    def domains(self) -> list[str]:
        """The guests that vm-ctl has registered."""
        return sorted(filter(None, map(names.domain, self._primitives)))

    def primitive(self, domain: str) -> etree._Element | None:
        return self._primitives.get(names.resource(domain))

    def select(self, xpath: str) -> list[etree._Element]:
        """The elements that an XPath for elements finds, in the document's order."""
        return cast("list[Any]", self.configuration.getroottree().xpath(xpath))

    def path(self, element: etree._Element) -> str:
        """From /cib down, by the ids that find it, as a patch names an element."""
        steps = [element, *element.iterancestors()]
        by_id = (
            f"{step.tag}[@id='{step.get('id')}']" if step.get("id") else str(step.tag)
            for step in reversed(steps)
        )
        return "/" + "/".join(by_id)

    def nodes(self) -> set[str]:
        return {str(node.get("uname")) for node in self.configuration.iterfind("nodes/node")}

    def has_resource(self, name: str) -> bool:
        """Whether a constraint can refer to that id."""
        resources = self.configuration.find("resources")
        kinds = ("primitive", "group", "clone", "master", "bundle")
        return resources is not None and any(e.get("id") == name for e in resources.iter(*kinds))

    def meta(self, domain: str, name: str) -> str | None:
        """The value of that meta attribute in the primitive itself."""
        pair = self.meta_pair(domain, name)
        return None if pair is None else pair.get("value")

    def meta_pair(self, domain: str, name: str) -> etree._Element | None:
        sets = self.meta_sets(domain)
        return next((p for own in sets for p in own if p.get("name") == name), None)

    def meta_sets(self, domain: str) -> Iterator[etree._Element]:
        """The sets that hold always (no rule) and for this resource alone (no id-ref)."""
        primitive = self.primitive(domain)
        for own in () if primitive is None else primitive.iterfind("meta_attributes[@id]"):
            if own.find("rule") is None:
                yield own

    def preferred(self, domain: str) -> str | None:
        """The node of the guest's _ACT location."""
        for location in self._locations.get(names.resource(domain), ()):
            node = location.get("node")
            if node is not None and location.get("id") == names.preferred_node(domain, node):
                return node
        return None

    def move_constraints(self, domain: str) -> list[str]:
        """Ids of what a move has left behind."""
        locations = self._locations.get(names.resource(domain), ())
        found = (str(location.get("id")) for location in locations)
        return [each for each in found if each.startswith(names.MOVE_PREFIXES)]

    def timeout_s(self, domain: str, operation: str, default_s: float) -> float:
        primitive = self.primitive(domain)
        ops = () if primitive is None else primitive.iterfind("operations/op")
        for op in ops:
            if op.get("name") == operation and op.get("timeout"):
                try:
                    return resource.seconds(str(op.get("timeout")))
                except ValueError:
                    return default_s
        return default_s
