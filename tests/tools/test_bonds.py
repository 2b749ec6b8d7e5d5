# SPDX-License-Identifier: GPL-2.0-or-later
"""Constraints are taken apart as the scheduler of each root does it: who may run nowhere keeps
those from starting, and no others, that need it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from pmkvm.deadline import Deadline
from pmkvm.pacemaker import bonds, tools
from pmkvm.pacemaker.bonds import Kind

if TYPE_CHECKING:
    from tests.tools.roots import Tools

NAMES = "ABCD"
NODES = ("n1", "n2")
UP = 'in_ccm="true" crmd="online" join="member" expected="member"'
ORDERED, LOOSE = "", 'sequential="false"'


def a_set(members: str, more: str = ORDERED) -> str:
    refs = "".join(f'<resource_ref id="{each}"/>' for each in members)
    return f'<resource_set id="set{members}" {more}>{refs}</resource_set>'


def order(inner: str, more: str = 'kind="Mandatory"') -> str:
    return f'<rsc_order id="o" {more}>{inner}</rsc_order>'


def colocation(inner: str, more: str = "") -> str:
    return f'<rsc_colocation id="c" score="INFINITY" {more}>{inner}</rsc_colocation>'


ANY = 'sequential="false" require-all="false"'
SHAPES = [
    colocation("", 'rsc="A" with-rsc="B"'),
    '<rsc_colocation id="c" rsc="A" with-rsc="B"/>',
    colocation(a_set("ABCD")),
    colocation(a_set("ABCD", LOOSE)),
    colocation(a_set("AB") + a_set("CD")),
    colocation(a_set("AB", LOOSE) + a_set("C")),
    colocation(a_set("A") + a_set("B") + a_set("C") + a_set("D")),
    order("", 'first="A" then="B"'),
    order("", 'first="A" then="B" kind="Optional"'),
    order("", 'first="A" then="B" kind="Serialize"'),
    order("", 'first="A" then="B" symmetrical="false"'),
    order("", 'first="A" first-action="stop" then="B" then-action="start"'),
    order(a_set("ABCD")),
    order(a_set("AB") + a_set("CD")),
    order(a_set("AB", LOOSE) + a_set("CD", LOOSE)),
    order(a_set("AB", ANY) + a_set("CD", LOOSE)),
    order(a_set("AB", ANY) + a_set("CD")),
    order(a_set("AB"), 'kind="Optional"'),
    order(a_set("AB"), ""),
]


def cib(constraint: str, barred: str) -> str:
    primitives = "".join(
        f'<primitive id="{each}" class="ocf" provider="pacemaker" type="Stateful"/>'
        for each in NAMES
    )
    never = "".join(
        f'<rsc_location id="no-{each}-{node}" rsc="{each}" node="{node}" score="-INFINITY"/>'
        for each in barred
        for node in NODES
    )
    nodes = "".join(f'<node id="{each}" uname="{each}"/>' for each in NODES)
    states = "".join(f'<node_state id="{each}" uname="{each}" {UP}/>' for each in NODES)
    pair = '<nvpair id="n" name="stonith-enabled" value="false"/>'
    return (
        '<cib validate-with="pacemaker-3.0" epoch="1" num_updates="0" admin_epoch="0"'
        ' have-quorum="1" crm_feature_set="3.16.2"><configuration><crm_config>'
        f'<cluster_property_set id="p">{pair}</cluster_property_set></crm_config>'
        f"<nodes>{nodes}</nodes><resources>{primitives}</resources>"
        f"<constraints>{never}{constraint}</constraints></configuration>"
        f"<status>{states}</status></cib>"
    )


def started(document: str) -> set[str]:
    """By the scheduler."""
    argv = ("crm_simulate", "--xml-pipe", "--run")
    said = tools.call(argv, Deadline(30), stdin=document).out
    return {name for name, rest in re.findall(r"Start +(\w)\b(.*)", said) if "blocked" not in rest}


def foretold(document: str, barred: str) -> set[str]:
    """By the bonds, through all that hang on one another."""
    configuration = ElementTree.fromstring(document).find("configuration")
    assert configuration is not None
    index = bonds.index(configuration)
    up = set(NAMES) - set(barred)
    while True:
        left = {
            name
            for name in up
            if all(bond.kind is Kind.APART or set(bond.others) & up for bond in index.get(name, ()))
        }
        if left == up:
            return up
        up = left


@pytest.mark.parametrize("constraint", SHAPES)
def test_the_scheduler_starts_who_has_what_it_needs(constraint: str, tools_of_root: Tools) -> None:
    assert tools_of_root
    for barred in (*NAMES, "AB"):
        document = cib(constraint, barred)
        assert started(document) == foretold(document, barred), barred
