# SPDX-License-Identifier: GPL-2.0-or-later
"""A look that many share: never older than the question."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemons.vm_stonithd.host.shared_look import SharedLook

SCAN_S = 0.05


class Host:
    """What is there, and how often it was looked at. Slow: a change in a look is not in it."""

    def __init__(self) -> None:
        self.there = "nothing"
        self.looks = 0
        self.looking = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self._shared: SharedLook[str] = SharedLook()

    def ask(self) -> str:
        return self._shared.ask(self._look)

    def _look(self) -> str:
        self.looks += 1
        there = self.there
        self.looking.set()
        time.sleep(SCAN_S)
        assert self.may_end.wait(30)
        if there == "broken":
            raise OSError(there)
        return there


@pytest.fixture
def host() -> Host:
    return Host()


def test_who_asks_at_one_time_shares_two_looks(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[int] = set()
    monotonic = time.monotonic

    def now() -> float:
        """Read by each that asks, before anything else."""
        read = monotonic()
        asked.add(threading.get_ident())
        return read

    monkeypatch.setattr(time, "monotonic", now)
    host.may_end.clear()
    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(host.ask) for _ in range(20)]
        while len(asked) < 20:
            time.sleep(SCAN_S)
        host.may_end.set()
        assert {each.result() for each in asking} == {"nothing"}
    assert host.looks <= 3


def test_a_look_that_was_under_way_is_not_used(host: Host) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(host.ask)
        assert host.looking.wait(10)
        host.there = "something"
        assert host.ask() == "something"
        assert first.result() == "nothing"
    assert host.looks == 2


def test_each_question_of_one_after_the_other_has_its_own_look(host: Host) -> None:
    assert host.ask() == "nothing"
    host.there = "something"
    assert host.ask() == "something"


def test_a_look_that_fails_is_an_error_and_the_next_one_looks_again(host: Host) -> None:
    host.there = "broken"
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            host.ask()
    host.there = "something"
    assert (host.ask(), host.looks) == ("something", 3)
