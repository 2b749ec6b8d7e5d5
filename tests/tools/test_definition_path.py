# SPDX-License-Identifier: GPL-2.0-or-later
"""Which definition is taken, beside what Pacemaker itself would give to the agent on each host.

On the Pacemaker of this machine, and of the lab's other roots that have been built. The everyday
run takes a sample; SHAPES=2000 draws so many guests for each.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker import targets, tools
from pmkvm.pacemaker.errors import ToolError
from pmkvm.pacemaker.this_host import ThisHost
from tests.tools import parameter_shapes
from tests.tools.parameter_shapes import DOCUMENT, HOSTS, OURS, Shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pmkvm.pacemaker.targets import Guest
    from tests.tools.roots import Tools

# The guests of one CIB: a tool that plans tells of all of them at once.
AT_ONCE = 12
SHAPES = int(os.environ.get("SHAPES", "48"))
TOOL_S = 60.0


def planned(pacemaker: Tools) -> Mapping[tuple[str, str], set[str]]:
    """By guest and host: the configs that Pacemaker would start agents with there. Empty if it
    plans nothing: 3.0.0 fails to bring some CIBs into its newest form."""
    graph = pacemaker.path("graph.xml")
    argv = ("crm_simulate", "--simulate", "--quiet", "--xml-file", pacemaker.name(pacemaker.cib))
    # Where a tool that is killed leaves its copy of the CIB.
    shadows = {tools.SHADOW_DIRECTORY: pacemaker.name(graph.parent)}
    to_graph = ("--save-graph", pacemaker.name(graph))
    try:
        tools.call((*argv, *to_graph), Deadline(TOOL_S), environment=shadows)
    except ToolError as error:
        if "Cannot upgrade configuration" not in str(error):
            raise
        return {}
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for action in ElementTree.parse(graph).getroot().iter("rsc_op"):
        primitive, attributes = action.find("primitive"), action.find("attributes")
        if primitive is not None and attributes is not None:
            key = (primitive.get("id", ""), action.get("on_node", ""))
            found[key].add(attributes.get("config", ""))
    return found


def guests(document: str) -> tuple[Guest, ...]:
    configuration = ElementTree.fromstring(document).find("configuration")
    assert configuration is not None
    return tuple(targets.guests(configuration))


def judge(guest: Guest, given: set[str]) -> str:
    """How the path was found that is taken on a host, beside what Pacemaker gives there."""
    assert given <= {*guest.config.possible, ""}, guest
    path, reason = "", ""
    try:
        path = ThisHost().definition_path(guest.id, guest.config, Deadline(TOOL_S))
    except HaError as error:
        reason = str(error)
    if guest.config.per_operation:
        assert guest.config.per_operation in reason
        return "refused"
    if given == {"lrm://"}:
        assert "its config is a secret" in reason
        return "refused"
    assert (given, reason) == ({path}, ""), guest
    return "the CIB alone" if guest.config.is_plain else "asked"


def test_the_definition_is_the_one_that_pacemaker_gives_to_the_agent(
    tools_of_root: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    count: Counter[str] = Counter()
    unusable: list[Shapes] = []

    @settings(
        max_examples=-(-SHAPES // AT_ONCE),
        # Not reduced, which takes minutes: what fails names the guest.
        phases=(Phase.generate,),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(parameter_shapes.shapes(AT_ONCE))
    def agree(shapes: Shapes) -> None:
        tools_of_root.cib.write_text(shapes.document, encoding="utf-8")
        found, truth = guests(shapes.document), planned(tools_of_root)
        if not truth:
            unusable.append(shapes)
        assume(truth)
        assert [guest.id for guest in found] == list(shapes.guests)
        for host in HOSTS:
            tools_of_root.node = host
            how = Counter(judge(guest, truth[guest.id, host]) for guest in found)
            count.update(how if host == HOSTS[0] else {})

    agree()
    with capsys.disabled():
        total = sum(count.values())
        print(f"\n{total} shapes: {dict(count)}; {len(unusable)} CIBs that it refuses as a whole")
    assert total >= SHAPES > AT_ONCE * len(unusable)
    assert count["the CIB alone"]
    assert count["asked"]


BY_HOST = "".join(
    f'<instance_attributes id="i{host}"><rule id="r{host}" score="0"><expression id="e{host}"'
    f' attribute="#uname" operation="eq" value="{host}"/></rule><nvpair id="n{host}" name="config"'
    f' value="/{host}.xml"/></instance_attributes>'
    for host in HOSTS
)
MONITOR = '<operations><op id="g-o" name="monitor" interval="30s" timeout="30s"/></operations>'
KEY = "1:1:0:aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
HISTORY = f"""\
<lrm id="1"><lrm_resources><lrm_resource id="g" {OURS}>
<lrm_rsc_op id="g_last_0" operation_key="g_start_0" operation="start" call-id="9" rc-code="{{rc}}"
 op-status="0" interval="0" crm_feature_set="3.16.1" transition-key="{KEY}"
 transition-magic="0:{{rc}};{KEY}" last-rc-change="1700000000"/>
<lrm_rsc_op id="g_monitor_30000" operation_key="g_monitor_30000" operation="monitor" call-id="10"
 rc-code="{{rc}}" op-status="0" interval="30000" crm_feature_set="3.16.1" transition-key="{KEY}"
 transition-magic="0:{{rc}};{KEY}" last-rc-change="1700000000"/>
</lrm_resource></lrm_resources></lrm></node_state>
"""
UNMANAGED = (
    '<meta_attributes id="g-m"><nvpair id="g-u" name="is-managed" value="false"/></meta_attributes>'
)
ONLINE = 'in_ccm="true" crmd="online" join="member" expected="member"'
OFFLINE = 'in_ccm="false" crmd="offline" join="down" expected="down"'


@pytest.mark.parametrize(
    ("inner", "old", "new"),
    [
        pytest.param("", "", "", id="never ran"),
        pytest.param("", f"{ONLINE}/>", f"{ONLINE}>{HISTORY.format(rc=0)}", id="runs on one"),
        pytest.param("", f"{ONLINE}/>", f"{ONLINE}>{HISTORY.format(rc=1)}", id="failed on one"),
        pytest.param(UNMANAGED, "", "", id="unmanaged"),
        pytest.param("", ONLINE, OFFLINE, id="no host is online"),
        pytest.param("", "stonith-enabled", "maintenance-mode", id="fencing is on"),
    ],
)
def test_pacemaker_tells_whatever_the_guest_does(
    tools_of_root: Tools, inner: str, old: str, new: str
) -> None:
    guest = f'<primitive id="g" {OURS}>{BY_HOST}{inner}{MONITOR}</primitive>'
    document = DOCUMENT.format(resources=guest)
    assert old in document
    document = document.replace(old, new) if old else document
    tools_of_root.cib.write_text(document, encoding="utf-8")
    (found,) = guests(document)
    for host in HOSTS:
        tools_of_root.node = host
        path = ThisHost().definition_path(found.id, found.config, Deadline(TOOL_S))
        assert path == f"/{host}.xml"


def test_a_host_or_a_guest_that_is_not_there_has_none(tools_of_root: Tools) -> None:
    document = DOCUMENT.format(resources=f'<primitive id="g" {OURS}>{BY_HOST}</primitive>')
    tools_of_root.cib.write_text(document, encoding="utf-8")
    (found,) = guests(document)
    for host, guest in (("hostC", "g"), ("hostA", "other")):
        tools_of_root.node = host
        with pytest.raises(HaError, match="not found"):
            ThisHost().definition_path(guest, found.config, Deadline(TOOL_S))
