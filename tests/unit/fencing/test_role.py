# SPDX-License-Identifier: GPL-2.0-or-later
"""The role of an off, its mark, and who may take it back. What the tools make of the writes is
tried in tests/tools/test_role.py."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pmkvm.errors import HaError
from pmkvm.fencing import role
from pmkvm.fencing.role import Written


def primitive(*sets: str) -> str:
    return f"<primitive id='guest2'>{''.join(sets)}</primitive>"


def meta(id_: str, **values: str) -> str:
    pairs = "".join(
        f"<nvpair id='{id_}-{name}' name='{name.replace('_', '-')}' value='{value}'/>"
        for name, value in values.items()
    )
    return f"<meta_attributes id='{id_}'>{pairs}</meta_attributes>"


@pytest.mark.parametrize(
    ("sets", "found"),
    [
        ([], Written()),
        ([meta("m", target_role="Started")], Written("Started")),
        ([meta("m", target_role="Stopped")], Written("Stopped")),
        ([meta("m", target_role="Stopped", stopped_by_fence="g1")], Written("Stopped", "g1")),
        ([meta("m", target_role="Stopped", stopped_by_fence="")], Written("Stopped")),
        ([meta("m", target_role="Started"), meta("n", target_role="Stopped")], Written("Stopped")),
    ],
)
def test_what_a_primitive_says(sets: list[str], found: Written) -> None:
    assert role.of(ElementTree.fromstring(primitive(*sets))) == found


@pytest.mark.parametrize("document", ["", "<clone id='guest2'/>", "<xpath-query/>", primitive()])
def test_only_the_primitive_itself_will_do(document: str) -> None:
    with pytest.raises(HaError, match="no primitive guest3"):
        role.switch_off(document, "guest3", "guest1")
    with pytest.raises(HaError, match="no primitive guest3"):
        role.switch_on(document, "guest3")


@pytest.mark.parametrize("name", ["a'b", "a]b", "a b", 'a"b'])
def test_no_name_gets_into_an_xpath_or_the_cib_as_it_is(name: str) -> None:
    with pytest.raises(ValueError, match="id"):
        role.forget_mark(name)
    with pytest.raises(ValueError, match="id"):
        role.switch_off(primitive(), "guest2", name)
