# SPDX-License-Identifier: GPL-2.0-or-later
"""What the CIB says of the cluster and of any resource, where no rule decides. Pure.

Which of several values under rules counts is Pacemaker's to decide: such sets are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pmkvm.pacemaker import primitives, resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Facts
    from pmkvm.pacemaker.primitives import Primitive

# What Pacemaker takes for an operation to which nobody has given a timeout.
DEFAULT_TIMEOUT_S = 20.0


def root(facts: Facts) -> Element:
    """lxml's elements do all that is done with them here."""
    return cast("Element", facts.cib)


def pairs(parent: Element, path: str) -> dict[str, str]:
    """Names and values of the sets there that hold always; the first one of a name counts."""
    found: dict[str, str] = {}
    for each in parent.iterfind(path):
        if each.find("rule") is None:
            for pair in each.iterfind("nvpair"):
                found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


def options(facts: Facts) -> dict[str, str]:
    """The cluster's own."""
    return pairs(root(facts), "configuration/crm_config/cluster_property_set")


def defaults(facts: Facts, section: str) -> dict[str, str]:
    """Of op_defaults or rsc_defaults."""
    return pairs(root(facts), f"configuration/{section}/meta_attributes")


def of_class(facts: Facts, kind: str) -> Iterator[Primitive]:
    """The primitives of that class, such as stonith."""
    for found in root(facts).iterfind("configuration/resources"):
        yield from (each for each in primitives.find(found) if each.kind.get("class") == kind)


def parameters(primitive: Primitive) -> dict[str, str]:
    """What it is given itself, and by its template."""
    return _of(primitive, "instance_attributes")


def interval_s(primitive: Primitive, operation: str) -> float:
    """0 without a recurring one."""
    found = (op for each in _both(primitive) for op in each.iterfind("operations/op"))
    intervals = (op.get("interval", "0") for op in found if op.get("name") == operation)
    return next(filter(None, (seconds(each, 0.0) for each in intervals)), 0.0)


def seconds(text: str | None, otherwise: float) -> float:
    """Otherwise for what is none or no time."""
    try:
        return otherwise if text is None else resource.seconds(text)
    except (ValueError, IndexError):
        return otherwise


def _of(primitive: Primitive, kind: str) -> dict[str, str]:
    """The primitive goes before its template."""
    found: dict[str, str] = {}
    for each in _both(primitive):
        found = {**pairs(each, kind), **found}
    return found


def _both(primitive: Primitive) -> list[Element]:
    own = primitive.element
    return [own] if primitive.template is None else [own, primitive.template]
