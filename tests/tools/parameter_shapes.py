# SPDX-License-Identifier: GPL-2.0-or-later
"""CIBs drawn at random in which guests are given their config in every form that the schema has.

Two hosts, of which one has a node attribute that the other lacks. No two places give the same
path, so whoever reads another place than Pacemaker is found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

T = TypeVar("T")

HOSTS = ("hostA", "hostB")
OURS = 'class="ocf" provider="extra" type="VirtualDomain"'
SCORES = ("", "0", "1", "5", "-5", "INFINITY", "-INFINITY", "1000000", "+INFINITY")
ODD_VALUES = ("", None, "#default", "#DEFAULT", "lrm://")
# Simple tests first: they are what a failure is reduced to.
EXPRESSIONS = (
    'attribute="#uname" operation="eq" value="hostA"',
    'attribute="#uname" operation="ne" value="hostA"',
    'attribute="site" operation="eq" value="here"',
    'attribute="site" operation="defined"',
    'attribute="site" operation="not_defined"',
    'attribute="weight" operation="gt" value="9" type="number"',
    'attribute="lately" operation="eq" value="yes"',
    'attribute="#kind" operation="eq" value="cluster"',
)
# With what is inside the date_expression.
DATES = (
    ('operation="gt" start="2001-01-01"', ""),
    ('operation="lt" end="2001-01-01"', ""),
    ('operation="gt" start="2099-01-01"', ""),
    ('operation="lt" end="2099-01-01"', ""),
    ('operation="in_range" start="2001-01-01" end="2099-01-01"', ""),
    ('operation="in_range" start="2001-01-01" end="2002-01-01"', ""),
    ('operation="in_range" start="2001-01-01"', '<duration id="{}" years="1"/>'),
    ('operation="date_spec"', '<date_spec id="{}" years="2001-2090"/>'),
    ('operation="date_spec"', '<date_spec id="{}" years="2001-2002"/>'),
)
DOCUMENT = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="7"
     admin_epoch="1" have-quorum="1" dc-uuid="1">
<configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o-s" name="stonith-enabled" value="false"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="hostA"><instance_attributes id="nodes-1">
<nvpair id="nodes-1-site" name="site" value="here"/>
<nvpair id="nodes-1-weight" name="weight" value="10"/>
<nvpair id="nodes-1-config" name="config" value="/node.xml"/></instance_attributes></node>
<node id="2" uname="hostB"/></nodes>
<resources>{resources}</resources><constraints/>
</configuration>
<status>
<node_state id="1" uname="hostA" in_ccm="true" crmd="online" join="member" expected="member"/>
<node_state id="2" uname="hostB" in_ccm="true" crmd="online" join="member" expected="member">
<transient_attributes id="2"><instance_attributes id="status-2">
<nvpair id="status-2-lately" name="lately" value="yes"/></instance_attributes>
</transient_attributes></node_state>
</status>
</cib>
"""
# What others may refer to, besides all that was drawn before.
COMMON = """\
<primitive id="common" class="ocf" provider="pacemaker" type="Dummy">
<instance_attributes id="common-plain"><nvpair id="common-plain-h" name="hypervisor" value="q"/>
</instance_attributes>
<instance_attributes id="common-config"><nvpair id="common-pair" name="config" value="/c1.xml"/>
</instance_attributes>
<instance_attributes id="common-score" score="3"><nvpair id="c2" name="config" value="/c2.xml"/>
</instance_attributes>
<instance_attributes id="common-other"><nvpair id="common-other-pair" name="other" value="/c3.xml"/>
</instance_attributes>
<operations id="common-operations"><op id="common-op" name="monitor" interval="33"/></operations>
</primitive>
"""


class Shapes(NamedTuple):
    """The guests of the CIB, by id, those in groups and clones among them."""

    document: str
    guests: tuple[str, ...]


class _Draft:
    """Every id is new. What was written can be referred to by what comes later."""

    def __init__(self, draw: DrawFn) -> None:
        self._draw = draw
        self._count = 0
        self.guests: list[str] = []
        self._sets = ["common-config", "common-plain", "common-score", "common-other", "nodes-1"]
        self._pairs = ["common-pair", "common-other-pair", "nodes-1-config"]
        self._operations = ["common-operations"]
        self._rules: list[str] = []
        self._templates: list[str] = []
        self._before = ""

    def one_of(self, some: Sequence[T]) -> T:
        return self._draw(st.sampled_from(some))

    def chance(self, percent: int) -> bool:
        return self._draw(st.integers(1, 100)) > 100 - percent

    def new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    # --- sets of values

    def sets(self, least: int = 0) -> str:
        return "".join(self.set() for _ in range(self.one_of((1, 1, 2, 3, 0)) or least))

    def set(self) -> str:
        if self.chance(15):
            return f'<instance_attributes id-ref="{self.one_of(self._sets)}"/>'
        own, score = self.new("set"), self.one_of(SCORES) if self.chance(50) else ""
        rule = self.rule() if self.chance(30) else ""
        score = f' score="{score}"' if score else ""
        text = f'<instance_attributes id="{own}"{score}>{rule}{self.pairs()}</instance_attributes>'
        self._sets.append(own)
        return text

    def pairs(self) -> str:
        text = ""
        if self.chance(20):
            text += f'<nvpair id="{self.new("pair")}" name="hypervisor" value="qemu:///system"/>'
        if self.chance(10):
            name = self.one_of(("", ' name="config"', ' name="other"'))
            text += f'<nvpair id-ref="{self.one_of(self._pairs)}"{name}/>'
        if not self.chance(15):
            own = self.new("pair")
            value = f"/{own}.xml" if not self.chance(8) else self.one_of(ODD_VALUES)
            value = "" if value is None else f' value="{value}"'
            text += f'<nvpair id="{own}" name="config"{value}/>'
            self._pairs.append(own)
        return text

    # --- rules

    def rule(self, depth: int = 0) -> str:
        if self._rules and self.chance(10):
            return f'<rule id-ref="{self.one_of(self._rules)}"/>'
        own = self.new("rule")
        score = ' score="INFINITY"' if self.chance(30) else ""
        junction = self.one_of(("", ' boolean-op="or"', ' boolean-op="and"'))
        parts = [self.part(depth) for _ in range(self.one_of((1, 1, 2, 3)))]
        self._rules.append(own)
        return f'<rule id="{own}"{score}{junction}>{"".join(parts)}</rule>'

    def part(self, depth: int) -> str:
        if depth == 0 and self.chance(15):
            return self.rule(depth + 1)
        own = self.new("expression")
        if self.chance(40):
            test, inner = self.one_of(DATES)
            inner = inner.format(self.new("date"))
            return f'<date_expression id="{own}" {test}>{inner}</date_expression>'
        return f'<expression id="{own}" {self.one_of(EXPRESSIONS)}/>'

    # --- resources

    def operations(self) -> str:
        if not self.chance(20):
            return ""
        if self.chance(25):
            return f'<operations id-ref="{self.one_of(self._operations)}"/>'
        own, text = self.new("operations"), ""
        for name in ("start", "monitor"):
            sets = self.set() if self.chance(25) else ""
            interval = 0 if name == "start" else self.one_of((30, 0))
            text += f'<op id="{self.new("op")}" name="{name}" interval="{interval}">{sets}</op>'
        self._operations.append(own)
        return f'<operations id="{own}">{text}</operations>'

    def meta(self) -> str:
        if not self.chance(15):
            return ""
        own, name = self.new("meta"), self.one_of(("target-role", "is-managed"))
        value = "Stopped" if name == "target-role" else "false"
        pair = f'<nvpair id="{own}-1" name="{name}" value="{value}"/>'
        return f'<meta_attributes id="{own}">{pair}</meta_attributes>'

    def template(self) -> str:
        own = self.new("template")
        self._templates.append(own)
        return f'<template id="{own}" {OURS}>{self.sets()}{self.operations()}</template>'

    def primitive(self) -> str:
        own, before, kind = self.new("guest"), "", OURS
        if self.chance(30):
            if not self._templates or self.chance(60):
                before = self.template()
            kind = f'template="{self.one_of(self._templates[-2:])}"'
        self.guests.append(own)
        self._before += before
        inner = f"{self.sets()}{self.meta()}{self.operations()}"
        return f'<primitive id="{own}" {kind}>{inner}</primitive>'

    def resource(self) -> str:
        """With the templates before it."""
        self._before = ""
        if self.chance(15):
            members = "".join(self.primitive() for _ in range(self.one_of((1, 2))))
            text = f'<group id="{self.new("group")}">{self.sets()}{members}</group>'
        else:
            text = self.primitive()
        if self.chance(7):
            text = f'<clone id="{self.new("clone")}">{self.sets()}{text}</clone>'
        return self._before + text


@st.composite
def shapes(draw: DrawFn, count: int) -> Shapes:
    """So many guests at least, in one CIB."""
    draft = _Draft(draw)
    resources = COMMON
    while len(draft.guests) < count:
        resources += draft.resource()
    return Shapes(DOCUMENT.format(resources=resources), tuple(draft.guests))
