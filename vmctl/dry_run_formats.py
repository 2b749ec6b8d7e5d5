# SPDX-License-Identifier: GPL-2.0-or-later
"""A change of the CIB in the words of crmsh, of pcs, and as a patch for cibadmin."""

from __future__ import annotations

import shlex
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from pmkvm.deadline import Deadline
from pmkvm.pacemaker import difference, tools
from pmkvm.pacemaker.document import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.document import CibDocument

DIFF_S = 120.0

# By tag; rsc_location has a rule or a node. Attributes stand under their names.
CRM = {
    "primitive": "primitive {id} {agent} \\\n  params {parameters} \\\n  meta {meta} \\\n"
    "  {operations}",
    "rsc_location": "location {id} {rsc} {score}: {node}",
    "rule": "location {id} {rsc} rule $id={rule} {score}: {expression}",
    "rsc_colocation": "colocation {id} {score}: {rsc} {with-rsc}",
    "rsc_order": "order {id} {kind}: {first} {then} symmetrical={symmetrical}",
}
# Of pcs 0.11 and 0.12. The operations of the agent's own metadata are not asked for.
PCS = {
    "primitive": "resource create {id} {agent} {parameters} {operations} meta {meta}"
    " --no-default-ops",
    "rsc_location": "constraint location add {id} {rsc} {node} {score}",
    "rule": "constraint location {rsc} rule id={rule} constraint-id={id} score={score}"
    " {expression}",
    "rsc_colocation": "constraint colocation add {rsc} with {with-rsc} score={score} id={id}",
    "rsc_order": "constraint order {first} then {then} kind={kind} symmetrical={symmetrical}"
    " id={id}",
}


def as_xml(before: CibDocument, after: CibDocument) -> str:
    """For cibadmin --patch --xml-pipe."""
    with NamedTemporaryFile(prefix="vm-ctl.") as old, NamedTemporaryFile(prefix="vm-ctl.") as new:
        for file, cib_document in ((old, before), (new, after)):
            file.write(cib_document.text().encode())
            file.flush()
        argv = ("crm_diff", "--no-version", "--original", old.name, "--new", new.name)
        # 1: they differ
        return tools.call(argv, Deadline(DIFF_S), also_fine=(1,)).out


def as_crm(before: CibDocument, after: CibDocument) -> str:
    """For crm configure load update -; that can't remove, so what begins with delete is for
    crm configure. Without comments: crmsh would write them into the CIB.
    """
    found = difference.between(before, after)
    lines = [_crm(each) for each in (*found.new, *(now for _, now in found.changed))]
    if found.gone:
        gone = " ".join(str(each.get("id")) for each in found.gone)
        return _lines(f"delete {gone}", *lines, "commit")
    return _lines(*lines)


def as_pcs(before: CibDocument, after: CibDocument) -> str:
    """Of what exists vm-ctl changes meta attributes, and constraints as a whole."""
    found = difference.between(before, after)
    again = [now for _, now in found.changed if now.tag != "primitive"]
    commands = [
        f"{'resource' if each.tag == 'primitive' else 'constraint'} delete {each.get('id')}"
        for each in (*found.gone, *again)
    ]
    for was, now in found.changed:
        if now.tag == "primitive":
            old = set(_pairs(was, "meta_attributes"))
            pairs = [pair for pair in _pairs(now, "meta_attributes") if pair not in old]
            commands.append(f"resource meta {now.get('id')} {' '.join(pairs)}")
    commands += [PCS[_kind(each)].format_map(_fields(each)) for each in (*found.new, *again)]
    return _lines(*(f"pcs {command}" for command in commands))


WRITERS = {"crm": as_crm, "xml": as_xml, "pcs": as_pcs}


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _crm(element: Element) -> str:
    if element.tag != "primitive" or _is_plain(element):
        return CRM[_kind(element)].format_map(_fields(element))
    return f"xml {text(element)}"


def _is_plain(primitive: Element) -> bool:
    """Whether it has no more than vm-ctl writes, so that these words say all of it."""
    known = {"instance_attributes", "meta_attributes", "operations", "nvpair", "op"}
    parts = [str(part.tag) for part in primitive]
    inner = {each.tag for each in primitive.iter()} - {primitive.tag}
    references = primitive.find(".//*[@id-ref]")
    if references is not None or len(parts) != len(set(parts)) or not inner <= known:
        return False
    # Of what is not ASCII crmsh (4.4, 5.0) writes the XML escapes themselves into the CIB.
    return all(str(v).isascii() for each in primitive.iter() for v in each.attrib.values())


def _kind(element: Element) -> str:
    return str(element.tag) if element.find("rule") is None else "rule"


def _fields(element: Element) -> dict[str, str]:
    """What the templates may name, quoted as a shell and crmsh alike read it."""
    fields = {str(name): shlex.quote(str(value)) for name, value in element.attrib.items()}
    rule = element.find("rule")
    if rule is not None:
        fields["rule"], fields["score"] = str(rule.get("id")), str(rule.get("score"))
        fields["expression"] = f" {rule.get('boolean-op')} ".join(map(_expression, rule))
    if element.tag == "primitive":
        agent = [fields[part] for part in ("class", "provider", "type") if part in fields]
        fields["agent"] = ":".join(agent)
        fields["parameters"] = " ".join(_pairs(element, "instance_attributes"))
        fields["meta"] = " ".join(_pairs(element, "meta_attributes"))
        fields["operations"] = " ".join(map(_operation, element.iterfind("operations/op")))
    return fields


def _pairs(element: Element, tag: str) -> Iterator[str]:
    for pair in element.iterfind(f"{tag}/nvpair"):
        yield shlex.quote(f"{pair.get('name')}={pair.get('value')}")


def _operation(op: Element) -> str:
    options = (f"{name!s}={value!s}" for name, value in op.attrib.items())
    named = [option for option in options if not option.startswith(("id=", "name="))]
    return f"op {op.get('name')} {' '.join(named)}"


def _expression(each: Element) -> str:
    attribute, operation = shlex.quote(str(each.get("attribute"))), str(each.get("operation"))
    if each.tag == "date_expression":
        return f"date {operation} {each.get('end')}"
    if operation == "not_defined":
        return f"{operation} {attribute}"
    return f"{attribute} {operation} {shlex.quote(str(each.get('value')))}"
