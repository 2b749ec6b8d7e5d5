# SPDX-License-Identifier: GPL-2.0-or-later
"""When a CIB alone tells what a guest's config is, and what is said when it does not.

That what it tells is what Pacemaker gives to the agent: tests/tools/test_definition_path.py.
"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pmkvm.pacemaker import targets
from pmkvm.pacemaker.parameter import Parameter

OURS = 'class="ocf" provider="extra" type="VirtualDomain"'
RULE = '<rule id="r"><expression id="e" attribute="#uname" operation="eq" value="a"/></rule>'


def pair(value: str, name: str = "config") -> str:
    return f'<nvpair id="p-{value}" name="{name}" value="{value}"/>'


def values(*pairs: str, more: str = "") -> str:
    """A set."""
    return f'<instance_attributes id="s"{more}>{"".join(pairs)}</instance_attributes>'


def primitive(inner: str, kind: str = OURS) -> str:
    return f'<primitive id="g" {kind}>{inner}</primitive>'


def template(inner: str) -> str:
    return f'<template id="t" {OURS}>{inner}</template>'


def operations(inner: str, name: str = "start", more: str = ' id="o"') -> str:
    return f'<operations{more}><op id="op" name="{name}" interval="0">{inner}</op></operations>'


def said(resources: str) -> Parameter:
    """Of the guest g."""
    text = f"<configuration><resources>{resources}</resources></configuration>"
    (found,) = (each for each in targets.guests(ElementTree.fromstring(text)) if each.id == "g")
    return found.config


OTHERS = '<primitive id="x" class="ocf" provider="pacemaker" type="Dummy">{}</primitive>'
BY_TEMPLATE = 'template="t"'


@pytest.mark.parametrize(
    ("resources", "value"),
    [
        pytest.param(primitive(values(pair("/a"))), "/a", id="one"),
        pytest.param(primitive(""), "", id="none"),
        pytest.param(primitive(values(pair(""))), "", id="empty"),
        pytest.param(primitive(values(pair("x", "hypervisor"), pair("/a"))), "/a", id="beside"),
        pytest.param(primitive(values(pair("/a"), more=' score="-5"')), "/a", id="a score"),
        pytest.param(primitive(values() + values(pair("/a"))), "/a", id="another set"),
        pytest.param(
            primitive(values(RULE, pair("x", "hypervisor")) + values(pair("/a"))),
            *("/a",),
            id="a rule elsewhere",
        ),
        pytest.param(
            template(values(pair("/a"))) + primitive("", BY_TEMPLATE), "/a", id="a template's"
        ),
        pytest.param(
            f'<group id="gr">{values(pair("/a"))}{primitive("")}</group>', "/a", id="a group's"
        ),
        pytest.param(
            f'<clone id="c"><group id="gr">{primitive("")}</group>{values(pair("/a"))}</clone>',
            *("/a",),
            id="a clone's",
        ),
        pytest.param(
            OTHERS.format(
                '<instance_attributes id="i"><nvpair id="n" name="hypervisor"/>'
                "</instance_attributes>"
            )
            + primitive(values(pair("/a")) + '<instance_attributes id-ref="i"/>'),
            *("/a",),
            id="an id-ref of a set without it",
        ),
        pytest.param(
            OTHERS.format(values('<nvpair id="n" name="hypervisor" value="x"/>'))
            + primitive(values(pair("/a"), '<nvpair id-ref="n"/>')),
            *("/a",),
            id="an id-ref of another value",
        ),
        pytest.param(
            primitive(values(pair("/a")) + operations(values(pair("x", "OCF_CHECK_LEVEL")))),
            *("/a",),
            id="another value of an operation",
        ),
    ],
)
def test_one_value_without_a_condition_is_the_value(resources: str, value: str) -> None:
    found = said(resources)
    assert found.is_plain, found
    assert found.value == value


REFERRED = OTHERS.format(f'<instance_attributes id="i">{pair("/i")}</instance_attributes>')


@pytest.mark.parametrize(
    ("resources", "unclear", "possible"),
    [
        (primitive(values(pair("/a")) + values(pair("/b"))), "config is given 2 times", "/a /b"),
        (primitive(values(pair("/a"), pair("/b"))), "config is given 2 times", "/a /b"),
        (
            template(values(pair("/t"))) + primitive(values(pair("/a")), BY_TEMPLATE),
            "config is given 2 times",
            "/t /a",
        ),
        (
            f'<group id="gr">{values(pair("/b"))}{primitive(values(pair("/a")))}</group>',
            "config is given 2 times",
            "/a /b",
        ),
        (primitive(values(RULE, pair("/a"))), "a rule decides", "/a"),
        (
            primitive(values(RULE, pair("/a")) + values(pair("/b"))),
            "config is given 2 times, a rule decides",
            "/a /b",
        ),
        (
            REFERRED + primitive('<instance_attributes id-ref="i"/>'),
            "an id-ref brings it: i",
            "/i",
        ),
        (
            primitive('<instance_attributes id-ref="gone"/>'),
            "an id-ref leads nowhere: gone",
            "",
        ),
        (
            REFERRED + primitive(values('<nvpair id-ref="p-/i"/>')),
            "an id-ref brings it: p-/i",
            "/i",
        ),
        (
            OTHERS.format(values(pair("/o", "other")))
            + primitive(values('<nvpair id-ref="p-/o" name="config"/>')),
            "an id-ref brings it: p-/o",
            "/o",
        ),
        (
            REFERRED + primitive(values('<nvpair id-ref="p-/i" name="other"/>')),
            "an id-ref brings it: p-/i",
            "/i",
        ),
        (primitive(values('<nvpair id-ref="gone"/>')), "an id-ref brings it: gone", ""),
        (primitive(values('<nvpair id="n" name="config"/>')), "it has no value", ""),
        (primitive(values(pair("#Default"))), "it has no value", "#Default"),
        (
            primitive(values(f"<attributes>{pair('/a')}</attributes>")),
            "it is in a form of old",
            "",
        ),
    ],
)
def test_all_else_is_pacemakers_to_say(resources: str, unclear: str, possible: str) -> None:
    found = said(resources)
    assert found == Parameter(tuple(possible.split()), unclear)
    with pytest.raises(ValueError, match=unclear.partition(":")[0]):
        _ = found.value


@pytest.mark.parametrize(
    "resources",
    [
        primitive(values(pair("/a")) + operations(values(pair("/b")))),
        primitive(values(pair("/a")) + operations(values(RULE, pair("/b")))),
        template(operations(values(pair("/b")))) + primitive(values(pair("/a")), BY_TEMPLATE),
        OTHERS.format(operations(values(pair("/b"))))
        + primitive(values(pair("/a")) + '<operations id-ref="o"/>'),
        OTHERS.format(f'<instance_attributes id="i">{pair("/b")}</instance_attributes>')
        + primitive(values(pair("/a")) + operations('<instance_attributes id-ref="i"/>')),
    ],
)
def test_what_one_operation_is_given_nobody_can_say(resources: str) -> None:
    found = said(resources)
    assert found == Parameter(("/a", "/b"), "", "start may be given another config")
    with pytest.raises(ValueError, match="start may be"):
        _ = found.value


def test_a_list_of_operations_that_is_not_there_gives_nothing() -> None:
    assert said(primitive(values(pair("/a")) + '<operations id-ref="gone"/>')).value == "/a"


def guests(resources: str) -> list[tuple[str, str, bool]]:
    text = f"<resources>{resources}</resources>"
    return [
        (each.id, each.agent, each.is_alone)
        for each in targets.guests(ElementTree.fromstring(text))
    ]


def test_a_template_says_alone_what_its_primitives_are() -> None:
    heartbeat = '<template id="t" class="ocf" provider="heartbeat" type="VirtualDomain"/>'
    # No schema allows both, and Pacemaker does not look at the primitive's own.
    both = f'<primitive id="a" {OURS} template="t"/>'
    assert guests(heartbeat + both) == [("a", targets.HEARTBEATS, True)]
    assert guests(both) == []
    assert guests(f'<primitive id="a" {OURS} template=""/>') == [("a", targets.OURS, True)]


def test_who_is_in_a_clone_or_a_bundle_is_not_alone() -> None:
    one = f'<primitive id="a" {OURS}/>'
    assert guests(f'<group id="g">{one}</group>') == [("a", targets.OURS, True)]
    for around in ("clone", "master", "bundle"):
        assert guests(f'<{around} id="c">{one}</{around}>') == [("a", targets.OURS, False)]
        inner = f'<group id="g">{one}</group>'
        assert guests(f'<{around} id="c">{inner}</{around}>') == [("a", targets.OURS, False)]
    assert guests(f'<template id="t">{one}</template>') == []
    deep = 5000
    assert guests("<group id='g'>" * deep + one + "</group>" * deep) == []
