# SPDX-License-Identifier: GPL-2.0-or-later
"""What watches in a thread fails its test when it breaks, and sees the beginning."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from tests.lab import watcher
from tests.lab.errors import LabError
from tests.lab.guests.counter import Counter
from tests.lab.watcher import Watcher

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 10.0


class Looker(Watcher):
    """Looks until it is told to break, to hang, or that it is over."""

    def __init__(self, breaks_at: int = 0, hangs: threading.Event | None = None) -> None:
        super().__init__()
        self.looks = 0
        self.enough = threading.Event()
        self._breaks_at, self._hangs = breaks_at, hangs

    def look(self) -> float:
        self.looks += 1
        if self.looks == self._breaks_at:
            self.enough.set()
            raise ValueError("the lab is not as expected")
        if self.looks == 3:
            self.enough.set()
            if self._hangs is not None:
                self._hangs.wait(PATIENCE_S)
        return 0.001


def test_it_looks_at_once_and_again_and_ends_with_its_context() -> None:
    with Looker() as looker:
        assert looker.looks >= 1
        assert looker.enough.wait(PATIENCE_S)
    seen = looker.looks
    looker.enough.wait(0.01)
    assert looker.looks == seen


def test_what_a_look_raises_fails_the_test() -> None:
    def watch() -> None:
        with Looker(breaks_at=2) as looker:
            assert looker.enough.wait(PATIENCE_S)

    with pytest.raises(ValueError, match="not as expected"):
        watch()


def test_a_failed_test_keeps_its_own_failure_in_sight() -> None:
    def watch() -> None:
        with Looker(breaks_at=2) as looker:
            assert looker.enough.wait(PATIENCE_S)
            raise AssertionError("of the test")

    with pytest.raises(ValueError, match="not as expected") as failed:
        watch()
    assert str(failed.value.__context__) == "of the test"


def test_a_look_that_never_ends_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "END_S", 0.05)
    hangs = threading.Event()

    def watch() -> None:
        with Looker(hangs=hangs) as looker:
            assert looker.enough.wait(PATIENCE_S)

    try:
        with pytest.raises(LabError, match="Looker: a look takes over"):
            watch()
    finally:
        hangs.set()


def test_the_ticks_that_come_during_a_watch_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "console"
    path.write_text("TICK boot 10\n", encoding="ascii")
    with Counter(str(path)).watch() as watch, open(path, "a", encoding="ascii") as console:
        for uptime in (20, 30):
            console.write(f"TICK boot {uptime}\n")
            console.flush()
            deadline = Deadline(PATIENCE_S)
            while watch.arrivals < uptime / 10 - 1:
                assert not deadline.expired()
                deadline.pause(0.01)
    assert watch.arrivals == 2
    assert watch.longest_silence_s > 0


def test_a_console_that_is_not_there_is_not_watched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Counter(str(tmp_path / "none")).watch()
