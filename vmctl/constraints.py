# SPDX-License-Identifier: GPL-2.0-or-later
"""The constraints of one guest, in the order that vm-ctl has always written them. Pure.

One rule a constraint, every id explicit: Pacemaker 3's schema takes nothing else.
"""

from __future__ import annotations

from lxml import etree

from vmctl import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmctl.configuration import Configuration, Watch


def constraints(domain: str, node: str, configuration: Configuration) -> Iterator[etree._Element]:
    yield preferred_node(domain, node, configuration.preferred_score)
    for watch in configuration.watches:
        if watch.attribute is not None:
            yield _location(domain, watch, watch.attribute)
        yield _colocation(domain, watch)
        yield _order(domain, watch)


def preferred_node(domain: str, node: str, score: str) -> etree._Element:
    where = {"score": score, "node": node}
    return _of(domain, "rsc_location", names.preferred_node(domain, node), where)


def _location(domain: str, watch: Watch, attribute: str) -> etree._Element:
    name = names.location(domain, attribute)
    location = _of(domain, "rsc_location", name, {})
    never = {"id": f"{name}-rule", "score": "-INFINITY", "boolean-op": "or"}
    rule = etree.SubElement(location, "rule", never)
    unknown = {"id": f"{name}-rule-expression", "operation": "not_defined"}
    wrong = {"id": f"{name}-rule-expression-0", "operation": watch.operator, "value": watch.value}
    for expression in (unknown, wrong):
        etree.SubElement(rule, "expression", {**expression, "attribute": attribute})
    return location


def _colocation(domain: str, watch: Watch) -> etree._Element:
    bond = {"score": watch.score, "with-rsc": watch.resource}
    return _of(domain, "rsc_colocation", names.colocation(domain, watch.resource), bond)


def _order(domain: str, watch: Watch) -> etree._Element:
    ends = {"first": watch.resource, "then": names.resource(domain)}
    kind = {"kind": watch.order_kind, "symmetrical": watch.symmetrical}
    return etree.Element("rsc_order", {"id": names.order(domain, watch.resource), **ends, **kind})


def _of(domain: str, tag: str, name: str, more: dict[str, str]) -> etree._Element:
    return etree.Element(tag, {"id": name, "rsc": names.resource(domain), **more})
