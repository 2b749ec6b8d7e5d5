# SPDX-License-Identifier: GPL-2.0-or-later
"""How well the hosts' clocks are known, by words that are heard now and then."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.machine.clocks import CLOSE_S, Clocks
from daemons.vm_stonithd.model import rest

WALL = 1_795_370_000.0
UP_S = 5.0


class Watched:
    """The clock of host2, `ahead` of mine, by readings of its words."""

    def __init__(self, ahead: float) -> None:
        self.clocks = Clocks()
        self.ahead = ahead
        self.now = 100.0
        self.up = 0.0
        self.mine = 0.0

    def hear(self, pause_s: float, seconds: float) -> None:
        """host2 says its time of day every UP_S, and is heard in these pauses."""
        end = self.now + seconds
        while self.now < end:
            since, self.now = self.now, self.now + pause_s
            said_at = self.now // UP_S * UP_S
            self.up = WALL + said_at + self.ahead
            self.clocks.heard("host2", self.up, now=self.now, since=since)

    def disagreement(self) -> str:
        wall = WALL + self.now + self.mine
        return self.clocks.disagreement(["host2"], now=self.now, wall=wall)


@pytest.mark.parametrize("ahead", [-8.5, -3.0, 0.0, 3.0, 8.5])
def test_clocks_that_agree_are_known_to(ahead: float) -> None:
    scene = Watched(ahead)
    scene.hear(1.0, 10.0)
    assert scene.clocks.are_close(scene.now)
    for _ in range(100):
        scene.hear(rest.HEAR_S, 4.0)
        assert scene.disagreement() == ""
        assert scene.clocks.are_close(scene.now)


@pytest.mark.parametrize("ahead", [-30.0, -11.5, 11.5, 30.0])
@pytest.mark.parametrize("pause_s", [0.5, 1.0, rest.HEAR_S])
def test_clocks_that_do_not_agree_are_never_taken_for_such(ahead: float, pause_s: float) -> None:
    scene = Watched(ahead)
    for _ in range(200):
        scene.hear(pause_s, pause_s)
        assert scene.disagreement().startswith("clocks: host2's is ")


def test_one_reading_after_a_long_pause_is_enough_where_clocks_are_kept() -> None:
    scene = Watched(0.2)
    scene.hear(rest.HEAR_S, 8.0)
    assert scene.disagreement() == ""


def test_what_is_not_known_well_enough_says_so() -> None:
    scene = Watched(9.0)
    scene.clocks.heard("host2", WALL, now=100.0, since=0.0)
    scene.clocks.heard("host2", WALL + 113.0, now=104.0, since=100.0)
    scene.now = 104.0
    assert scene.disagreement() == "clocks: host2's is not measured closely enough yet"
    assert not scene.clocks.are_close(scene.now)
    scene.now = 100.0
    scene.hear(0.5, 10.0)
    assert scene.disagreement() == ""
    assert scene.clocks.are_close(scene.now)


@pytest.mark.parametrize("by_s", [-40.0, 12.0, 40.0])
def test_a_clock_that_is_set_is_noticed_at_its_next_word(by_s: float) -> None:
    scene = Watched(0.0)
    scene.hear(1.0, 20.0)
    scene.ahead = by_s
    scene.hear(rest.HEAR_S, 8.0)
    assert scene.disagreement().startswith("clocks: host2's is ")


@pytest.mark.parametrize("by_s", [-3.5, -1.5, 1.5, 3.5])
def test_one_that_is_set_by_little_is_measured_anew(by_s: float) -> None:
    """Until then what is believed is off by a pause at most."""
    scene = Watched(0.0)
    scene.hear(1.0, 20.0)
    scene.ahead = by_s
    pauses = 0
    while scene.clocks.are_close(scene.now):
        scene.hear(rest.HEAR_S, rest.HEAR_S)
        pauses += 1
        assert pauses < 10
    scene.hear(1.0, 10.0)
    assert scene.clocks.are_close(scene.now)
    scene.ahead = by_s + 20.0 * (1 if by_s > 0 else -1)


def test_one_s_own_clock_that_is_set_is_noticed_at_once() -> None:
    scene = Watched(0.0)
    scene.hear(1.0, 20.0)
    scene.mine = 20.0
    assert scene.disagreement() == "clocks: host2's is -20 s from here"


def test_what_is_not_heard_anew_is_known_less_and_less_well() -> None:
    scene = Watched(0.0)
    scene.hear(1.0, 10.0)
    assert scene.clocks.are_close(scene.now + 10.0)
    clocks = Clocks()
    clocks.heard("host2", WALL, now=0.0, since=0.0)
    clocks.heard("host2", WALL + 1.0, now=1.0, since=1.0 - CLOSE_S)
    assert clocks.are_close(1.0)
    assert not clocks.are_close(14.0)
    # Silent: nobody's clock.
    assert clocks.are_close(17.0)
