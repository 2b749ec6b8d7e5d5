# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a resource stays as it is, from crm_mon and the CIB."""

from __future__ import annotations

import pytest

from pmkvm.pacemaker import reasons, status
from pmkvm.pacemaker.document import CibDocument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.pacemaker.status import Cluster

HEAD = '<pacemaker-result><summary><current_dc name="hostA" with_quorum="{quorum}"/>'
NODES = "".join(
    f'<node name="{name}" online="true" standby="{standby}" type="member"/>'
    for name, standby in (("hostA", "false"), ("hostB", "true"))
)
RULE = (
    '<rsc_location id="locP" rsc="g"><rule id="locP-rule" score="-INFINITY" boolean-op="or">'
    '<expression id="e" operation="not_defined" attribute="ping"/>'
    '<expression id="f" operation="lt" attribute="ping" value="100"/></rule></rsc_location>'
)
COLOCATION = '<rsc_colocation id="colC" rsc="g" with-rsc="cln" score="INFINITY"/>'


OP = (
    '<lrm><lrm_resources><lrm_resource id="g"><lrm_rsc_op {}/></lrm_resource></lrm_resources></lrm>'
)


def document(constraints: str = "", op: str = "") -> CibDocument:
    text = f"<configuration><resources/><constraints>{constraints}</constraints></configuration>"
    state = f'<node_state uname="hostA">{OP.format(op)}</node_state>' if op else ""
    return CibDocument(f"<cib>{text}<status>{state}</status></cib>")


def cluster(
    *, more: str = "", resource: str = 'managed="true"', options: str = "", quorum: str = "true"
) -> Cluster:
    g = f'<resource id="g" resource_agent="ocf:x:y" role="Stopped" active="false" {resource}/>'
    head = HEAD.format(quorum=quorum)
    return status.parse(
        f"{head}<cluster_options {options}/></summary><nodes>{NODES}</nodes>"
        f'<resources>{g}</resources>{more}<status code="0"/></pacemaker-result>'
    )


def of(constraints: str = "", **found: str) -> list[str]:
    return reasons.of("g", document(constraints), cluster(**found))


STANDBY = "hostB: it is in standby"
BANS = '<bans><ban id="{}" resource="g" node="hostA" weight="{}"/></bans>'


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("the cluster has no quorum", {"quorum": "false"}),
        ("the cluster is in maintenance-mode", {"options": 'maintenance-mode="true"'}),
        ("unmanaged: the cluster leaves it alone", {"resource": 'managed="false"'}),
        (
            "disabled (target-role=Stopped)",
            {"resource": 'managed="true" target_role="Stopped"'},
        ),
        (
            "monitor failed on hostA: not installed",
            {
                "more": '<failures><failure op_key="g_monitor_0" node="hostA" exitreason=""'
                ' exitstatus="not installed"/></failures>'
            },
        ),
    ],
)
def test_what_holds_it_everywhere(expected: str, found: dict[str, str]) -> None:
    assert of(**found) == [expected, STANDBY]


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("", "ping is not set there"),
        ('<attribute name="ping" value="0"/>', "ping is 0 there (forbidden: < 100)"),
    ],
)
def test_a_rule_is_named_with_what_its_attribute_is(attributes: str, said: str) -> None:
    nodes = f'<node_attributes><node name="hostA">{attributes}</node></node_attributes>'
    more = nodes + BANS.format("locP-rule", "-1000000")
    assert of(RULE, more=more) == [f"hostA: locP: {said}", STANDBY]


def test_a_constraint_that_only_dislikes_a_node_forbids_nothing() -> None:
    location = '<rsc_location id="loc" rsc="g" node="hostA" score="-5"/>'
    assert of(location, more=BANS.format("loc", "-5")) == [STANDBY]
    assert of(location, more=BANS.format("loc", "-1000000")) == ["hostA: loc", STANDBY]


def there(name: str, *nodes: str) -> str:
    on = "".join(f'<node name="{node}"/>' for node in nodes)
    return f'<resource id="{name}" resource_agent="a" role="Started" active="true">{on}</resource>'


def beside(constraints: str, *others: str) -> list[str]:
    """With resources that run."""
    text = f"{HEAD.format(quorum='true')}</summary><nodes>{NODES}</nodes><resources>"
    g = '<resource id="g" resource_agent="a" role="Stopped" active="false" managed="true"/>'
    found = status.parse(
        f'{text}{g}{"".join(others)}</resources><status code="0"/></pacemaker-result>'
    )
    return reasons.of("g", document(constraints), found)


def test_what_it_must_be_with_is_named_where_that_does_not_run() -> None:
    assert of(COLOCATION) == ["colC: cln runs nowhere", STANDBY]
    assert of(COLOCATION.replace("INFINITY", "100")) == [STANDBY]
    said = beside(COLOCATION, there("cln", "hostB"))
    assert said == ["hostA: colC: cln does not run there", STANDBY]
    assert beside(COLOCATION, there("cln", "hostA", "hostB")) == [STANDBY]


def test_what_it_must_not_be_with_is_named_where_that_runs() -> None:
    apart = COLOCATION.replace("INFINITY", "-INFINITY")
    assert of(apart) == [STANDBY]
    said = beside(apart, there("cln", "hostA"))
    assert said == ["hostA: colC: cln runs there, and it may not be with that", STANDBY]


def test_what_it_starts_after_is_named_until_that_has_started() -> None:
    order = '<rsc_order id="ord" first="db" then="g" kind="Mandatory"/>'
    assert of(order) == ["ord: it starts after db, which has not started", STANDBY]
    assert beside(order, there("db", "hostB")) == [STANDBY]
    assert of(order.replace("Mandatory", "Optional")) == [STANDBY]
    sets = (
        '<rsc_order id="ord" kind="Mandatory"><resource_set id="s" sequential="false"'
        ' require-all="false"><resource_ref id="db1"/><resource_ref id="db2"/></resource_set>'
        '<resource_set id="t"><resource_ref id="g"/></resource_set></rsc_order>'
    )
    assert of(sets) == ["ord: it starts after db1 or db2, and neither has started", STANDBY]
    assert beside(sets, there("db2", "hostB")) == [STANDBY]
    assert reasons.problems("g", document(sets), cluster()) == of(sets)[:1]


def test_a_list_has_no_problem_when_a_node_is_left() -> None:
    assert reasons.problems("g", document(), cluster()) == []
    found = reasons.problems("g", document(COLOCATION), cluster())
    assert found == ["colC: cln runs nowhere"]
    more = BANS.format("loc", "-1000000")
    location = '<rsc_location id="loc" rsc="g" node="hostA" score="-INFINITY"/>'
    found = reasons.problems("g", document(location), cluster(more=more))
    assert found == ["no node is allowed", "hostA: loc"]


def test_a_host_without_the_agent_is_named() -> None:
    found = reasons.of("g", document(op='operation="monitor" rc-code="5"'), cluster())
    assert found == ["hostA: its agent, or what that needs, is not installed there", STANDBY]


def test_a_guest_whose_monitor_says_degraded_has_that_problem() -> None:
    monitor = 'operation="monitor" rc-code="{}" exit-reason="{}" last-rc-change="{}"'
    paused = monitor.format(190, "it is paused", 1796279940)
    op = document(op=paused)
    assert reasons.problems("g", op, cluster()) == []
    g = '<resource id="g" resource_agent="a" role="Started" active="true" managed="true">'
    found = status.parse(
        f"{HEAD.format(quorum='true')}</summary><nodes>{NODES}</nodes><resources>{g}"
        '<node name="hostA"/></resource></resources><status code="0"/></pacemaker-result>'
    )
    assert reasons.problems("g", op, found) == ["degraded: it is paused"]
    well = document(op=f"{paused}/><lrm_rsc_op {monitor.format(0, '', 1796279950)}")
    assert reasons.problems("g", well, found) == []


def test_degraded_is_no_failure() -> None:
    shown = '<failures><failure op_key="g_monitor_10000" node="hostA" exitcode="190"/></failures>'
    assert of(more=shown) == [STANDBY]
