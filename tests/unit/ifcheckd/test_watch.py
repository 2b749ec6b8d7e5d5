# SPDX-License-Identifier: GPL-2.0-or-later
"""Look after look at a corosync that changes, fails and hangs; and what attrd gets of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from daemons.ifcheckd import board, watch
from daemons.ifcheckd.board import Board
from daemons.ifcheckd.watch import Watch
from pmkvm import run
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit.ifcheckd.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable

WELL = {"host2-eth0": "up", "host2-eth1": "up", "ifcheckd": "2"}


class Scene:
    """The daemon's two halves, round by round, by a clock of the test's."""

    def __init__(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = cluster
        self.now = 1000.0
        monkeypatch.setattr(run, "run", cluster.run)
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        calls = ThreadCalls(4)
        self.watch = Watch("ifcheckd", 5.0, calls)
        self.board = Board("3s", calls)

    def round(self, pause_s: float = 5.0) -> dict[str, str]:
        """What attrd has after it."""

        async def go() -> None:
            await self.watch.look()
            await self.board.show(self.watch.attributes)

        asyncio.run(go())
        self.now += pause_s
        return dict(self.cluster.attributes)

    def clear(self) -> None:
        asyncio.run(self.board.clear())


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    return lambda *what: Scene(Cluster(*what), monkeypatch)


def test_a_link_is_cut_and_comes_back(begin: Callable[..., Scene]) -> None:
    scene = begin()
    assert scene.round() == WELL
    scene.cluster.links[2, 1] = False
    assert scene.round() == {**WELL, "host2-eth1": "dead", "ifcheckd": "1"}
    scene.cluster.links[2, 1] = True
    assert scene.round() == WELL


def test_a_peer_that_leaves_takes_its_attributes_along(begin: Callable[..., Scene]) -> None:
    scene = begin(2)
    assert len(scene.round()) == 5
    for link in (0, 1):
        scene.cluster.links[3, link] = False
    assert scene.round()["host3-eth0"] == "dead"
    # Now corosync has lost it, and no link has changed.
    scene.cluster.members.discard(3)
    assert scene.round() == WELL
    scene.cluster.members.add(3)
    for link in (0, 1):
        scene.cluster.links[3, link] = True
    assert len(scene.round()) == 5


def test_a_corosync_that_does_not_answer_is_unknown_and_not_up(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.round()
    scene.cluster.silent.add("corosync-cmapctl")
    # One late answer is a busy host's.
    assert scene.round() == WELL
    scene.now += watch.LATE_S
    assert scene.round() == {}
    assert "did not end" in scene.watch.trouble
    scene.cluster.silent.clear()
    assert scene.round() == WELL
    assert scene.watch.trouble == ""


@pytest.mark.parametrize("word", ["corosync-cmapctl", "stats"])
def test_without_corosyncs_tool_or_its_figures_there_is_no_attribute(
    begin: Callable[..., Scene], word: str
) -> None:
    scene = begin()
    scene.cluster.missing.add(word)
    assert scene.round() == {}
    assert "not installed" in scene.watch.trouble


def test_a_corosync_that_says_nothing(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.cluster.is_mute = True
    assert scene.round() == {}
    assert scene.watch.trouble == "corosync-cmapctl ended with 1: cmap: CS_ERR_LIBRARY"


def test_while_all_is_well_only_the_links_are_asked_for(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.round()
    scene.cluster.calls.clear()
    for _ in range(5):
        assert scene.round() == WELL
    assert scene.cluster.calls == ["corosync-cmapctl"] * 5
    scene.now += watch.MEMBERSHIP_S
    scene.round()
    assert scene.cluster.calls.count("ip") == 1


def test_a_device_that_has_gone_keeps_its_name(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.round()
    del scene.cluster.devices["10.77.1.1"]
    scene.cluster.links[2, 1] = False
    assert scene.round()["host2-eth1"] == "dead"


def test_without_ip_a_link_has_its_number(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.cluster.missing.add("ip")
    assert scene.round() == {"host2-link0": "up", "host2-link1": "up", "ifcheckd": "2"}


def test_a_cluster_with_one_link_and_no_knet(begin: Callable[..., Scene]) -> None:
    scene = begin(1, 1)
    scene.cluster.transport = "udpu"
    assert scene.round() == {"host2-eth0": "up", "ifcheckd": "1"}
    scene.cluster.members.discard(2)
    assert scene.round() == {"ifcheckd": "1"}


def test_attrd_is_told_what_changes_and_all_of_it_now_and_then(
    begin: Callable[..., Scene],
) -> None:
    scene = begin()
    scene.round()
    assert scene.cluster.delays == dict.fromkeys(WELL, "3s")
    scene.cluster.writes.clear()
    scene.round()
    assert scene.cluster.writes == []
    # attrd has forgotten them.
    scene.cluster.attributes.clear()
    scene.now += board.REPEAT_S
    assert scene.round() == WELL


def test_an_attrd_that_hangs_is_not_asked_for_each_attribute(begin: Callable[..., Scene]) -> None:
    scene = begin(4)
    scene.cluster.silent.add("attrd_updater")
    assert scene.round() == {}
    assert scene.cluster.calls.count("attrd_updater") == 1
    assert "attrd does not take" in scene.board.trouble
    scene.cluster.silent.clear()
    assert len(scene.round()) == 9
    assert scene.board.trouble == ""


def test_what_attrd_may_have_taken_is_taken_back_as_well(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.cluster.silent.add("host2-eth1")
    scene.round()
    scene.cluster.silent.clear()
    scene.cluster.attributes["host2-eth1"] = "up"
    scene.clear()
    assert scene.cluster.attributes == {}


def test_the_end_takes_all_back_and_hangs_with_nobody(begin: Callable[..., Scene]) -> None:
    scene = begin()
    scene.round()
    scene.cluster.silent.add("attrd_updater")
    scene.clear()
    assert scene.cluster.calls.count("attrd_updater") == len(WELL) + 1
    scene.cluster.silent.clear()
    scene.clear()
    assert scene.cluster.attributes == {}
