# SPDX-License-Identifier: GPL-2.0-or-later
"""What constraints ask of other resources. tests/tools/test_bonds.py asks Pacemaker the same."""

from __future__ import annotations

from xml.etree import ElementTree

from pmkvm.pacemaker import bonds
from pmkvm.pacemaker.bonds import Bond, Kind

RESOURCES = (
    '<group id="grp"><primitive id="a"/><primitive id="b"/></group>'
    '<clone id="cln"><primitive id="c"/></clone><primitive id="d"/>'
)


def of(name: str, constraints: str, tags: str = "") -> list[Bond]:
    text = f"<constraints>{constraints}</constraints><tags>{tags}</tags>"
    root = f"<configuration><resources>{RESOURCES}</resources>{text}</configuration>"
    return bonds.index(ElementTree.fromstring(root)).get(name, [])


def test_what_is_around_a_resource_is_bound_with_it() -> None:
    order = '<rsc_order id="o" first="d" then="{}"/>'
    assert of("c", order.format("cln")) == [Bond("o", Kind.AFTER, ("d",))]
    member = [Bond("grp", Kind.AFTER, ("a",)), Bond("o", Kind.AFTER, ("d",))]
    assert of("b", order.format("grp")) == member
    assert of("d", order.format("grp")) == []


def test_a_tag_stands_for_all_that_have_it() -> None:
    tags = '<tag id="t"><obj_ref id="d"/><obj_ref id="cln"/></tag>'
    colocation = '<rsc_colocation id="k" rsc="{}" with-rsc="{}" score="INFINITY"/>'
    assert of("d", colocation.format("t", "grp"), tags) == [Bond("k", Kind.WITH, ("grp",))]
    found = of("grp", colocation.format("grp", "t"), tags)
    assert found == [Bond("k", Kind.WITH, ("d",)), Bond("k", Kind.WITH, ("cln",))]


def test_what_is_no_bond() -> None:
    for constraint in (
        '<rsc_colocation id="k" rsc="d" with-rsc="cln" score="100"/>',
        '<rsc_colocation id="k" rsc="d" with-rsc="cln" score="many"/>',
        '<rsc_order id="o" first="cln" then="d" score="0"/>',
        '<rsc_order id="o" first="cln" then="d" score="many"/>',
        '<rsc_order id="o" first="cln" then="d" kind="Serialize"/>',
        '<rsc_order id="o" first="cln" first-action="stop" then="d" then-action="start"/>',
        '<rsc_order id="o" first="cln" then="d" then-action="stop"/>',
    ):
        assert of("d", constraint) == []
