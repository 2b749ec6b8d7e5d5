# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard's XPath and targets() take the same resources, over CIBs drawn at random."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pmkvm.fencing import guard
from pmkvm.pacemaker.targets import targets

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

KINDS = (
    'class="ocf" provider="extra" type="VirtualDomain"',
    'class="ocf" provider="heartbeat" type="VirtualDomain"',
    'class="ocf" provider="extra" type="vm-anything"',
    'class="stonith" type="VirtualDomain"',
)
AROUND = ("group", "clone", "master", "bundle", "template", "unknown")


@st.composite
def resources(draw: DrawFn) -> str:
    """Every id is new. No schema allows all of it."""
    count = 0

    def new(kind: str) -> str:
        nonlocal count
        count += 1
        return f"{kind}{count}"

    def primitive() -> str:
        kind = draw(st.sampled_from((*KINDS, "")))
        names = ("", *(f"template{number}" for number in range(1, 6)))
        own = f' template="{draw(st.sampled_from(names))}"' if draw(st.booleans()) else ""
        return f'<primitive id="{new("primitive")}" {kind}{own}/>'

    def element(depth: int) -> str:
        if depth == 0 or draw(st.booleans()):
            return primitive()
        around = draw(st.sampled_from(AROUND))
        inner = "".join(element(depth - 1) for _ in range(draw(st.integers(0, 2))))
        return f'<{around} id="{new("around")}">{inner}</{around}>'

    templates = "".join(
        f'<template id="template{number}" {draw(st.sampled_from(KINDS))}/>'
        for number in range(1, 1 + draw(st.integers(0, 5)))
    )
    return templates + "".join(element(3) for _ in range(draw(st.integers(3, 6))))


def test_the_guard_takes_the_same_for_a_target() -> None:
    count: Counter[bool] = Counter()

    @settings(max_examples=300)
    @given(resources())
    def agree(inner: str) -> None:
        text = f"<cib><configuration><resources>{inner}</resources></configuration></cib>"
        configuration = ElementTree.fromstring(text).find("configuration")
        assert configuration is not None
        found = {resource for resource, _config in targets(configuration)}
        cib = etree.fromstring(text)
        for element in cib.iter("primitive"):
            name = str(element.get("id"))
            matched = cast("list[object]", cib.xpath(guard._is_target(name)))
            assert (name in found) == bool(matched), name
            count[bool(matched)] += 1

    agree()
    assert min(count[True], count[False]) > 50
