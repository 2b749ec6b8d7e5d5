# SPDX-License-Identifier: GPL-2.0-or-later
"""A CIB document as far as it is about our guests: what it says, and edits of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from lxml import etree

from pmkvm.pacemaker import cib, names, parameter, primitives, resource, targets
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.pacemaker.parameter import Parameter, References
from vmctl import guest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pmkvm.pacemaker.targets import Guest

COLLECTIVES = ("primitive", "group", "clone", "master", "bundle")
SECTIONS = ("resources", "constraints", "tags")
# By which one object of the CIB names another; an id, in a set and in a tag.
REFERENCES = ("id", "rsc", "with-rsc", "first", "then")
# What the schema allows only with something in it, once it was there for its members.
NEVER_EMPTY = ("resource_set", "tag", "rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket")

# The result of an operation that is under way (PCMK_OCF_UNKNOWN).
PENDING = "193"
# What Pacemaker takes for an operation that has no timeout of its own.
DEFAULT_TIMEOUT_S = 20.0


class CibDocument:
    """One CIB document, indexed once. Whoever edits it has it for himself."""

    def __init__(self, document: str) -> None:
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True
        )
        try:
            root = etree.fromstring(document.encode(), parser)
        except etree.XMLSyntaxError as error:
            raise BadAnswerError(f"cibadmin's answer is no XML: {error}") from error
        configuration = root.find("configuration")
        if configuration is None:
            raise BadAnswerError("cibadmin's answer has no configuration")
        self.configuration = configuration
        self.ids = {str(element.get("id")) for element in configuration.iterfind(".//*[@id]")}
        self.primitives = {
            str(element.get("id")): element
            for element in configuration.iterfind("resources//primitive[@id]")
        }
        self._locations: dict[str, list[etree._Element]] = {}
        for location in configuration.iterfind("constraints/rsc_location[@rsc]"):
            self._locations.setdefault(str(location.get("rsc")), []).append(location)

    def text(self) -> str:
        return etree.tostring(self.configuration.getroottree(), encoding="unicode")

    def section(self, name: str) -> etree._Element:
        """That part of the configuration, made if there is none."""
        found = self.configuration.find(name)
        return etree.SubElement(self.configuration, name) if found is None else found

    def guests(self) -> Iterator[Guest]:
        """All VirtualDomain resources, registered by whomever."""
        text = etree.tostring(self.configuration, encoding="unicode")
        return targets.guests(ElementTree.fromstring(text))

    def parameters(self, domain: str, wanted: Iterable[str]) -> dict[str, Parameter]:
        """What the CIB says of some parameters of a guest that is registered."""
        text = etree.tostring(self.configuration, encoding="unicode")
        root = ElementTree.fromstring(text)
        references = References(root)
        every = (each for part in root.iterfind("resources") for each in primitives.find(part))
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

    def primitive(self, domain: str) -> etree._Element:
        """Of a guest that is registered."""
        return self.primitives[names.resource(domain)]

    def nodes(self) -> set[str]:
        return {str(node.get("uname")) for node in self.configuration.iterfind("nodes/node")}

    def has_resource(self, name: str) -> bool:
        """Whether a constraint can refer to that id."""
        found = self.section("resources").iter(*COLLECTIVES)
        return any(element.get("id") == name for element in found)

    def meta(self, domain: str, name: str) -> str | None:
        """The value of that meta attribute in the primitive itself."""
        _first, pair = self._meta(domain, name)
        return None if pair is None else pair.get("value")

    def _meta(self, domain: str, name: str) -> tuple[etree._Element | None, etree._Element | None]:
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
            etree.SubElement(own, "nvpair", values)
        else:
            # The usual id may be that of a set with a rule, which is not the one to write to.
            taken = f"{primitive.get('id')}-meta_attributes" in self.ids
            guest.set_values(primitive, "meta_attributes", {name: value}, "-vm-ctl" * taken)

    def locations(self, domain: str) -> list[etree._Element]:
        return self._locations.get(names.resource(domain), [])

    def preferred(self, domain: str) -> str | None:
        """The node of the guest's _ACT location."""
        for location in self.locations(domain):
            node = location.get("node")
            if node is not None and location.get("id") == names.preferred_node(domain, node):
                return node
        return None

    def move_constraints(self, domain: str) -> list[etree._Element]:
        """What a move has left behind."""
        found = self.locations(domain)
        return [each for each in found if str(each.get("id")).startswith(names.MOVE_PREFIXES)]

    def is_migrating(self, domain: str) -> bool:
        """Whether it has left a node, or is about to, and has not arrived on the other."""
        return names.resource(domain) in self._migrating

    @cached_property
    def _migrating(self) -> set[str]:
        last = {
            (node.get("uname"), str(entry.get("id"))): _last_move(entry)
            for node in self.configuration.iterfind("../status/node_state")
            for entry in node.iter("lrm_resource")
        }
        return {
            name
            for (node, name), op in last.items()
            if op.get("operation") == "migrate_to"
            and op.get("rc-code") in ("0", PENDING)
            and not _is_arrival(last.get((op.get("migrate_target"), name)), node)
        }

    def discard(self, ids: Iterable[str]) -> None:
        """Remove the objects with these ids, all that refers to them, and what is empty then."""
        doomed = set(ids)
        sections = self.configuration.iterchildren(*SECTIONS)
        found = [element for section in sections for element in section.iter(*cib.REMOVABLE)]
        for element in found:
            if not doomed.isdisjoint(filter(None, map(element.get, REFERENCES))):
                _remove(element)

    def timeout_s(self, domain: str, operation: str) -> float:
        op = self.primitive(domain).find(f"operations/op[@name='{operation}'][@timeout]")
        try:
            return DEFAULT_TIMEOUT_S if op is None else resource.seconds(str(op.get("timeout")))
        except ValueError:
            return DEFAULT_TIMEOUT_S


def _last_move(history: etree._Element) -> etree._Element:
    """Its latest operation, or itself for none. A monitor moves nothing."""
    found = [op for op in history if op.get("operation") != "monitor"]

    def age(op: etree._Element) -> tuple[bool, int]:
        # One that is under way has no call-id yet.
        return op.get("rc-code") == PENDING, int(op.get("call-id", "0"))

    return max(found, key=age, default=history)


def _is_arrival(op: etree._Element | None, origin: str | None) -> bool:
    """Whether that is the end of a migration from there."""
    if op is None or op.get("operation") != "migrate_from":
        return False
    return op.get("rc-code") == "0" and op.get("migrate_source") == origin


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
        if parent.tag in NEVER_EMPTY and not len(parent):
            _remove(parent)
