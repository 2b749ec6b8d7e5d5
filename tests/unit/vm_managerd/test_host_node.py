# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's attributes, out of the CIB's status."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from daemons.vm_managerd import host_node
from daemons.vm_managerd.host_node import HostNode
from pmkvm import run as runner
from pmkvm.pacemaker.errors import BadAnswerError, ClusterDownError
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from tests.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

CAPTURES = sorted((ROOT / "tests/unit/fencing/data").glob("captured-*.xml"))
STATUS = """<transient_attributes id="1"><instance_attributes id="status-1">
<nvpair id="a" name="ping" value="100"/><nvpair id="b" name="gone" value=""/>
</instance_attributes></transient_attributes>"""


class Tools:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.name = "host1"
        self.status = Completed(0, STATUS, "")
        self.asked: list[Sequence[str]] = []
        patch.setattr(runner, "run", self.run)

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        self.asked.append(argv)
        return Completed(0, f"{self.name}\n", "") if argv[0] == "crm_node" else self.status


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(monkeypatch)


@pytest.mark.usefixtures("tools")
async def test_those_with_a_value_are_told() -> None:
    assert await HostNode(ThreadCalls(1)).attributes() == {"ping": "100"}


async def test_what_was_read_is_kept_for_a_while(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_node, "KEPT_S", 1000.0)
    node = HostNode(ThreadCalls(1))
    for _ in range(3):
        await node.attributes()
    xpath = "--xpath=//node_state[@uname='host1']/transient_attributes"
    assert [argv[-1] for argv in tools.asked] == ["--name", xpath]
    monkeypatch.setattr(host_node, "KEPT_S", -1.0)
    await node.attributes()
    # The name does not change.
    assert [argv[0] for argv in tools.asked] == ["crm_node", "cibadmin", "cibadmin"]


async def test_a_host_without_attributes_has_none(tools: Tools) -> None:
    tools.status = Completed(105, "", "No such device or address")
    assert await HostNode(ThreadCalls(1)).attributes() == {}


async def test_a_cluster_that_is_away_is_no_answer(tools: Tools) -> None:
    tools.status = Completed(102, "", "")
    with pytest.raises(ClusterDownError):
        await HostNode(ThreadCalls(1)).attributes()


@pytest.mark.parametrize("name", ["a'b", "a]b", "a b"])
async def test_a_name_that_would_change_the_question_is_refused(tools: Tools, name: str) -> None:
    tools.name = name
    with pytest.raises(BadAnswerError, match="can't be used"):
        await HostNode(ThreadCalls(1)).attributes()


def test_there_are_captures() -> None:
    assert CAPTURES


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_what_pacemaker_writes_is_read(path: object) -> None:
    root = ElementTree.parse(str(path)).getroot()
    parts = root.findall(".//node_state/transient_attributes")
    for part in parts:
        found = host_node.parse(ElementTree.tostring(part, encoding="unicode"))
        expected = {each.get("name"): each.get("value") for each in part.iter("nvpair")}
        assert found == {name: value for name, value in expected.items() if value}
