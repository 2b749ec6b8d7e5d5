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
    return etree.Element(
        "rsc_location",
        {
            "id": names.preferred_node(domain, node),
            "rsc": names.resource(domain),
            "score": score,
            "node": node,
        },
    )


def _location(domain: str, watch: Watch, attribute: str) -> etree._Element:
    name = names.location(domain, attribute)
    location = etree.Element("rsc_location", {"id": name, "rsc": names.resource(domain)})
    rule = etree.SubElement(
        location, "rule", {"id": f"{name}-rule", "score": "-INFINITY", "boolean-op": "or"}
    )
    etree.SubElement(
        rule,
        "expression",
        {
            "id": f"{name}-rule-expression",
            "operation": "not_defined",
            "attribute": attribute,
        },
    )
    etree.SubElement(
        rule,
        "expression",
        {
            "id": f"{name}-rule-expression-0",
            "attribute": attribute,
            "operation": watch.operator,
            "value": watch.value,
        },
    )
    return location


def _colocation(domain: str, watch: Watch) -> etree._Element:
    return etree.Element(
        "rsc_colocation",
        {
            "id": names.colocation(domain, watch.resource),
            "score": watch.score,
            "rsc": names.resource(domain),
            "with-rsc": watch.resource,
        },
    )


def _order(domain: str, watch: Watch) -> etree._Element:
    return etree.Element(
        "rsc_order",
        {
            "id": names.order(domain, watch.resource),
            "kind": watch.order_kind,
            "first": watch.resource,
            "then": names.resource(domain),
            "symmetrical": watch.symmetrical,
        },
    )
