# SPDX-License-Identifier: GPL-2.0-or-later
"""A CIB document as far as it is about guests that vm-ctl has registered: what it says, and edits
of it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pmkvm.pacemaker import (
    bonds,
    cib,
    migrating,
    names,
    parameter,
    primitives,
    resource,
    targets,
    tools,
)
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.pacemaker.parameter import Parameter, References

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.bonds import Bond
    from pmkvm.pacemaker.targets import Guest

COLLECTIVES = ("primitive", "group", "clone", "master", "bundle")
SECTIONS = ("resources", "constraints", "tags")
# By which one object of the CIB names another; an id, in a set and in a tag.
REFERENCES = ("id", "rsc", "with-rsc", "first", "then")
# What the schema allows only with something in it, once it was there for its members.
NEVER_EMPTY = ("resource_set", "tag", "rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket")

# What Pacemaker takes for an operation that has no timeout of its own.
DEFAULT_TIMEOUT_S = 20.0


class CibDocument:
    """One CIB document, indexed once. Whoever edits it has it for himself."""

    def __init__(self, document: str) -> None:
        self.root = tools.parsed(document, "cibadmin")
        configuration = self.root.find("configuration")
        if configuration is None:
            raise BadAnswerError("cibadmin's answer has no configuration")
        self.configuration = configuration
        self.ids = {str(element.get("id")) for element in configuration.iterfind(".//*[@id]")}
        self.primitives = {
            str(element.get("id")): element
            for element in configuration.iterfind("resources//primitive[@id]")
        }
        every = configuration.iterfind("resources//primitive/..")
        self._parents = {str(child.get("id")): parent for parent in every for child in parent}
        self._locations: dict[str, list[Element]] = {}
        for location in configuration.iterfind("constraints/rsc_location[@rsc]"):
            self._locations.setdefault(str(location.get("rsc")), []).append(location)

    def text(self) -> str:
        return text(self.root)

    def section(self, name: str) -> Element:
        """That part of the configuration, made if there is none."""
        found = self.configuration.find(name)
        return ElementTree.SubElement(self.configuration, name) if found is None else found

    def guests(self) -> Iterator[Guest]:
        """All VirtualDomain resources, registered by whomever."""
        return targets.guests(self.configuration)

    def parameters(self, domain: str, wanted: Iterable[str]) -> dict[str, Parameter]:
        """What the CIB says of some parameters of a guest that is registered."""
        references = References(self.configuration)
        every = (
            each
            for part in self.configuration.iterfind("resources")
            for each in primitives.find(part)
        )
        own = [each for each in every if each.id == names.resource(domain)]
        if len(own) != 1:
            # Pacemaker refuses one whose template is not there.
            return dict.fromkeys(wanted, Parameter(unclear="the resource is not valid"))
        return {name: parameter.read(name, own[0], references) for name in wanted}

    def domains(self) -> list[str]:
        """The guests that vm-ctl has registered."""
        return sorted(filter(None, map(names.domain, self.primitives)))

    def has(self, domain: str) -> bool:
        return names.resource(domain) in self.primitives

    def primitive(self, domain: str) -> Element:
        """Of a guest that is registered."""
        return self.primitives[names.resource(domain)]

    def parent(self, domain: str) -> Element:
        """What the primitive is in: the resources themselves, or a group, clone or bundle."""
        return self._parents[names.resource(domain)]

    def nodes(self) -> set[str]:
        return {str(node.get("uname")) for node in self.configuration.iterfind("nodes/node")}

    def has_resource(self, name: str) -> bool:
        """Whether a constraint can refer to that id."""
        found = self.section("resources").iter()
        return any(each.tag in COLLECTIVES and each.get("id") == name for each in found)

    def meta(self, domain: str, name: str) -> str | None:
        """The value of that meta attribute in the primitive itself."""
        _first, pair = self._meta(domain, name)
        return None if pair is None else pair.get("value")

    def _meta(self, domain: str, name: str) -> tuple[Element | None, Element | None]:
        """The first set that holds always (no rule) and here alone (no id-ref); the pair in one."""
        sets = self.primitive(domain).iterfind("meta_attributes[@id]")
        own = [each for each in sets if each.find("rule") is None]
        pairs = (pair for each in own for pair in each if pair.get("name") == name)
        return next(iter(own), None), next(pairs, None)

    def set_meta(self, domain: str, name: str, value: str) -> None:
        """Where it stands already, else in the first own set, else in a new one."""
        own, pair = self._meta(domain, name)
        primitive = self.primitive(domain)
        if pair is not None:
            pair.set("value", value)
        elif own is not None:
            values = {"id": f"{own.get('id')}-{name}", "name": name, "value": value}
            ElementTree.SubElement(own, "nvpair", values)
        else:
            # The usual id may be that of a set with a rule, which is not the one to write to.
            taken = f"{primitive.get('id')}-meta_attributes" in self.ids
            set_values(primitive, "meta_attributes", {name: value}, "-vm-ctl" * taken)

    def locations(self, domain: str) -> list[Element]:
        return self._locations.get(names.resource(domain), [])

    def preferred(self, domain: str) -> str | None:
        """The node of the guest's _ACT location."""
        for location in self.locations(domain):
            node = location.get("node")
            if node is not None and location.get("id") == names.preferred_node(domain, node):
                return node
        return None

    def move_constraints(self, domain: str) -> list[Element]:
        """What a move has left behind."""
        found = self.locations(domain)
        return [each for each in found if str(each.get("id")).startswith(names.MOVE_PREFIXES)]

    def history(self, resource_id: str, node: str) -> Iterator[Element]:
        """The operations that Pacemaker remembers of a resource on a node."""
        for state in self.root.iterfind(f"status/node_state[@uname='{node}']"):
            for entry in state.iterfind("lrm/lrm_resources/lrm_resource"):
                if entry.get("id") == resource_id:
                    yield from entry.iterfind("lrm_rsc_op")

    def is_migrating(self, domain: str) -> bool:
        """Whether it has left a node, or is about to, and has not arrived on the other."""
        return names.resource(domain) in self._migrating

    @cached_property
    def _migrating(self) -> set[str]:
        return migrating.resources(self.root)

    @cached_property
    def bonds(self) -> dict[str, list[Bond]]:
        """What each resource needs of others, by its id; not what was edited since."""
        return bonds.index(self.configuration)

    def discard(self, ids: Iterable[str]) -> None:
        """Remove the objects with these ids, all that refers to them, and what is empty then."""
        doomed = set(ids)
        for name in SECTIONS:
            for section in self.configuration.iterfind(name):
                _prune(section, doomed)

    def on_fail(self, domain: str, operation: str) -> str:
        """As its primitive says it, empty for nothing."""
        op = self.primitive(domain).find(f"operations/op[@name='{operation}']")
        return "" if op is None else op.get("on-fail", "")

    def stickiness(self, domain: str) -> int:
        """The guest's own, else the default of all resources."""
        path = "rsc_defaults/meta_attributes/nvpair[@name='resource-stickiness']"
        own = self.meta(domain, "resource-stickiness")
        found = own or next((each.get("value") for each in self.configuration.iterfind(path)), "0")
        try:
            return resource.score(found or "0")
        except ValueError:
            return 0

    def timeout_s(self, domain: str, operation: str) -> float:
        op = self.primitive(domain).find(f"operations/op[@name='{operation}'][@timeout]")
        try:
            return DEFAULT_TIMEOUT_S if op is None else resource.seconds(str(op.get("timeout")))
        except ValueError:
            return DEFAULT_TIMEOUT_S


def _prune(parent: Element, doomed: set[str]) -> None:
    for child in list(parent):
        if child.tag in cib.REMOVABLE and not doomed.isdisjoint(map(child.get, REFERENCES)):
            parent.remove(child)
        elif len(child):
            _prune(child, doomed)
            if not len(child) and child.tag in NEVER_EMPTY:
                parent.remove(child)


def set_values(parent: Element, tag: str, pairs: dict[str, str], more: str = "") -> None:
    """A new set of name and value pairs; more: what its usual id lacks to be unique."""
    set_id = f"{parent.get('id')}-{tag}{more}"
    own = ElementTree.SubElement(parent, tag, {"id": set_id})
    for name, value in pairs.items():
        pair = {"id": f"{set_id}-{name}", "name": name, "value": value}
        ElementTree.SubElement(own, "nvpair", pair)


def text(element: Element) -> str:
    """As XML, without what stands behind it in the document that it is in."""
    alone = ElementTree.Element(element.tag, element.attrib)
    alone.text = element.text
    alone.extend(element)
    return ElementTree.tostring(alone, encoding="unicode")
