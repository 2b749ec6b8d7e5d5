# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects of one guest in the CIB, with the ids that crmsh gives the same objects. Pure.

In the order that vm-ctl has always written them; one rule a constraint and every id explicit,
since Pacemaker 3's schema takes nothing else.
"""

from __future__ import annotations

from xml.etree import ElementTree

from pmkvm.fencing import instant
from pmkvm.pacemaker import names, resource_meta
from pmkvm.pacemaker.document import set_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from vmctl.configuration import Configuration, RequiredClone


def primitive(
    domain: str, configuration: Configuration, *, allow_migrate: bool, role: str, uuid: str = ""
) -> Element:
    """uuid: of a guest that runs already. Any other's is written by its first start, beside which
    a definition may still be corrected."""
    agent = dict(zip(("class", "provider", "type"), configuration.text("vm_ocf").split(":")))
    element = ElementTree.Element("primitive", {"id": names.resource(domain), **agent})
    parameters = {
        "config": configuration.definition(domain),
        "hypervisor": configuration.text("vm_hypervisor"),
        "migration_transport": configuration.text("vm_migration_transport"),
    }
    set_values(element, "instance_attributes", parameters)
    meta = {"allow-migrate": str(allow_migrate).lower(), "target-role": role}
    if uuid:
        meta[resource_meta.VM_UUID] = uuid
    set_values(element, "meta_attributes", meta)
    operations = ElementTree.SubElement(element, "operations")
    for op in configuration.operations():
        op_id = f"{element.get('id')}-{op['name']}-{op['interval']}"
        ElementTree.SubElement(operations, "op", {"id": op_id, **op})
    return element


def constraints(domain: str, node: str, configuration: Configuration) -> Iterator[Element]:
    yield preferred_node(domain, node, configuration.text("vm_node_loc_act"))
    for required in configuration.required_clones():
        if required.attribute is not None:
            yield _health(domain, required, required.attribute)
        clone = required.resource
        together = {"score": required.score, "with-rsc": clone}
        yield _of(domain, "rsc_colocation", names.constraint("col", domain, clone), together)
        both = {"first": clone, "then": names.resource(domain)}
        kind = {"kind": required.order_kind(), "symmetrical": required.order[1]}
        order = {"id": names.constraint("odr", domain, clone), **both, **kind}
        yield ElementTree.Element("rsc_order", order)


def preferred_node(domain: str, node: str, score: str) -> Element:
    where = {"score": score, "node": node}
    return _of(domain, "rsc_location", names.preferred_node(domain, node), where)


def _health(domain: str, required: RequiredClone, attribute: str) -> Element:
    """Off the nodes where the attribute is bad, or not there."""
    location = _of(domain, "rsc_location", names.constraint("loc", domain, attribute), {})
    rule = _rule(location, f"{location.get('id')}-rule", "-INFINITY", "or")
    bad = dict(zip(("operation", "value"), required.comparison))
    for ending, test in (("", {"operation": "not_defined"}), ("-0", bad)):
        name = f"{rule.get('id')}-expression{ending}"
        ElementTree.SubElement(rule, "expression", {"id": name, **test, "attribute": attribute})
    return location


def move(domain: str, origin: str, target: str | None, end: float) -> Iterator[Element]:
    """What keeps it off its node, and draws it to the target, until then (seconds since 1970).

    Both, since with resource-stickiness=INFINITY a preference alone moves nothing.
    """
    name = names.resource(domain)
    ban = f"{names.CLI_BAN}{name}-on-{names.escaped(origin)}"
    yield _until(_of(domain, "rsc_location", ban, {}), f"{ban}-{{}}", "-INFINITY", origin, end)
    if target is not None:
        wish = _of(domain, "rsc_location", f"{names.CLI_PREFER}{name}", {})
        yield _until(wish, f"{names.CLI_PREFER}{{}}-{name}", "INFINITY", target, end)


def _until(location: Element, ids: str, score: str, node: str, end: float) -> Element:
    """ids: the form of crm_resource, whose --clear goes by them."""
    rule = _rule(location, ids.format("rule"), score, "and")
    here = {"attribute": "#uname", "operation": "eq", "value": node}
    ElementTree.SubElement(rule, "expression", {"id": ids.format("expr"), **here})
    until = {"operation": "lt", "end": instant.to_text(int(end))}
    ElementTree.SubElement(rule, "date_expression", {"id": ids.format("lifetime"), **until})
    return location


def _rule(location: Element, name: str, score: str, junction: str) -> Element:
    values = {"id": name, "score": score, "boolean-op": junction}
    return ElementTree.SubElement(location, "rule", values)


def _of(domain: str, tag: str, name: str, more: dict[str, str]) -> Element:
    return ElementTree.Element(tag, {"id": name, "rsc": names.resource(domain), **more})
