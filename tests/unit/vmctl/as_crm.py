# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects of a CIB in the words of the slides, to be compared with them line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree


def from_listing(text: str) -> set[str]:
    joined = text.replace("\\\n", " ").replace('"', "")
    return {" ".join(line.split()) for line in joined.splitlines()}


def from_elements(root: etree._Element) -> set[str]:
    writers = {
        "primitive": _primitive,
        "rsc_location": _location,
        "rsc_colocation": _colocation,
        "rsc_order": _order,
    }
    return {writers[str(e.tag)](e) for section in root for e in section}


def _pairs(element: etree._Element, path: str) -> str:
    return " ".join(f"{p.get('name')}={p.get('value')}" for p in element.iterfind(path))


def _primitive(element: etree._Element) -> str:
    agent = ":".join(str(element.get(part)) for part in ("class", "provider", "type"))
    operations = " ".join(
        f"op {op.get('name')} interval={op.get('interval')} timeout={op.get('timeout')}"
        f" on-fail={op.get('on-fail')}"
        for op in element.iterfind("operations/op")
    )
    params = _pairs(element, "instance_attributes/nvpair")
    meta = _pairs(element, "meta_attributes/nvpair")
    return f"primitive {element.get('id')} {agent} params {params} meta {meta} {operations}"


def _score(text: str | None) -> str:
    return str(text).lower().replace("infinity", "inf")


def _location(element: etree._Element) -> str:
    head = f"location {element.get('id')} {element.get('rsc')}"
    rule = element.find("rule")
    if rule is None:
        return f"{head} {_score(element.get('score'))}: {element.get('node')}"
    tests = f" {rule.get('boolean-op')} ".join(
        f"not_defined {e.get('attribute')}"
        if e.get("operation") == "not_defined"
        else f"{e.get('attribute')} {e.get('operation')} {e.get('value')}"
        for e in rule
    )
    return f"{head} rule $id={rule.get('id')} {_score(rule.get('score'))}: {tests}"


def _colocation(element: etree._Element) -> str:
    fields = (_score(element.get("score")), element.get("rsc"), element.get("with-rsc"))
    return "colocation {} {}: {} {}".format(element.get("id"), *fields)


def _order(element: etree._Element) -> str:
    # crmsh has translated a score of 0 into Optional since orders have kinds.
    kind = {"Optional": "0"}.get(str(element.get("kind")), "inf")
    ends = f"{element.get('first')} {element.get('then')}"
    return f"order {element.get('id')} {kind}: {ends} symmetrical={element.get('symmetrical')}"
