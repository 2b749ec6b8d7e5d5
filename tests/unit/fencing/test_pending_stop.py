# SPDX-License-Identifier: GPL-2.0-or-later
"""Pending stops: kept, touched, void and settled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.fencing import pending_stop
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.process import Life

if TYPE_CHECKING:
    from pathlib import Path

LIFE, OTHER = Life(100, 5000), Life(100, 6000)
PENDING_STOP = PendingStop("9c41d7e02b6f5a13", "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10", LIFE, 1000.0)


@pytest.fixture(autouse=True)
def _run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path))


@pytest.mark.parametrize("owed", [PENDING_STOP, PENDING_STOP._replace(life=None)])
@pytest.mark.parametrize("resource", ["g", "../g", "g%2F", "g.debt", "g.1.new"])
def test_a_pending_stop_is_remembered_until_it_is_removed(owed: PendingStop, resource: str) -> None:
    assert pending_stop.load(resource) is None
    assert pending_stop.resources() == []
    pending_stop.store(resource, owed)
    assert pending_stop.load(resource) == owed
    assert pending_stop.resources() == [resource]
    pending_stop.remove(resource)
    assert pending_stop.load(resource) is None
    pending_stop.remove(resource)


def test_a_later_pending_stop_takes_the_place_of_an_older_one() -> None:
    pending_stop.store("g", PENDING_STOP)
    pending_stop.store("g", PENDING_STOP._replace(ban_id="1", life=None))
    assert pending_stop.load("g") == PENDING_STOP._replace(ban_id="1", life=None)
    assert os.listdir(pending_stop.directory()) == ["g.debt"]
    assert os.stat(pending_stop.directory()).st_mode & 0o777 == 0o700


def test_a_stamp_is_never_ahead_of_the_clock() -> None:
    """Rounded up it would be, for a reader in the same millisecond, who would take it for void."""
    pending_stop.store("g", PENDING_STOP._replace(stamp=100.0009))
    assert pending_stop.load("g") == PENDING_STOP._replace(stamp=100.0)
    assert pending_stop.touch("g", PENDING_STOP._replace(stamp=100.0), 200.0009)
    assert pending_stop.load("g") == PENDING_STOP._replace(stamp=200.0)
    # One that a file had stays as it is, though 1.001 * 1000 is less than 1001.
    pending_stop.store("g", PENDING_STOP._replace(stamp=1.001))
    assert pending_stop.load("g") == PENDING_STOP._replace(stamp=1.001)


def test_touching_moves_the_stamp_of_this_pending_stop_and_nothing_else() -> None:
    assert not pending_stop.touch("g", PENDING_STOP, 2000.0)
    assert pending_stop.resources() == []
    pending_stop.store("g", PENDING_STOP)
    assert pending_stop.touch("g", PENDING_STOP, 123456789.25)
    assert pending_stop.load("g") == PENDING_STOP._replace(stamp=123456789.25)
    pending_stop.store("g", PENDING_STOP._replace(ban_id="other"))
    assert not pending_stop.touch("g", PENDING_STOP, 2000.0)
    assert pending_stop.load("g") == PENDING_STOP._replace(ban_id="other")


@pytest.mark.parametrize("content", [b"ban=1\nstamp=soon\n", b"\xff\xfe", b""])
def test_a_pending_stop_that_can_t_be_understood_is_none(content: bytes) -> None:
    pending_stop.store("g", PENDING_STOP)
    with open(os.path.join(pending_stop.directory(), "g.debt"), "wb") as file:
        file.write(content)
    assert pending_stop.load("g") is None
    assert not pending_stop.touch("g", PENDING_STOP, 2000.0)
    assert pending_stop.resources() == ["g"]


def test_a_pending_stop_that_can_t_be_read_is_none() -> None:
    os.makedirs(os.path.join(pending_stop.directory(), "g.debt"))
    assert pending_stop.load("g") is None
    with pytest.raises(OSError, match=r"g\.debt"):
        pending_stop.store("g", PENDING_STOP)
    with pytest.raises(OSError, match=r"g\.debt"):
        pending_stop.remove("g")


def test_a_file_in_the_place_of_the_directory_holds_no_pending_stops(tmp_path: Path) -> None:
    (tmp_path / "debts").touch()
    assert pending_stop.load("g") is None
    assert not pending_stop.touch("g", PENDING_STOP, 2000.0)
    pending_stop.remove("g")
    with pytest.raises(NotADirectoryError):
        pending_stop.resources()
    with pytest.raises(FileExistsError):
        pending_stop.store("g", PENDING_STOP)


@pytest.mark.parametrize(
    ("owed", "living", "now", "is_void"),
    [
        (PENDING_STOP, [], 1001.0, False),
        (PENDING_STOP, [LIFE], 1001.0, False),
        (PENDING_STOP, [OTHER], 1001.0, True),
        (PENDING_STOP, [LIFE, OTHER], 1001.0, True),
        (PENDING_STOP._replace(life=None), [], 1001.0, False),
        (PENDING_STOP._replace(life=None), [LIFE], 1001.0, True),
        (PENDING_STOP, [], 1299.9, False),
        (PENDING_STOP, [], 1300.0, True),
        (PENDING_STOP, [], 999.0, True),
    ],
)
def test_void(owed: PendingStop, living: list[Life], now: float, is_void: bool) -> None:
    assert owed.is_void(living, now) == is_void


def test_whose_stop_is_owed() -> None:
    assert PENDING_STOP.is_for(LIFE)
    assert not PENDING_STOP.is_for(OTHER)
    assert not PENDING_STOP._replace(life=None).is_for(LIFE)


@pytest.mark.parametrize(
    ("owed", "last", "is_older"),
    [
        (PENDING_STOP, LIFE, False),
        (PENDING_STOP, OTHER, True),
        (PENDING_STOP, Life(99, 4000), False),
        (PENDING_STOP, None, False),
        (PENDING_STOP._replace(life=None), OTHER, False),
    ],
)
def test_a_pending_stop_of_before_a_later_life(
    owed: PendingStop, last: Life | None, is_older: bool
) -> None:
    assert owed.is_older_than(last) == is_older
