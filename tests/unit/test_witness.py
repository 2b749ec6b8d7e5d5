# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's witness of double activity finds two that are active, and accuses no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.guests import witness
from tests.lab.guests.witness import Disk, Instance, Record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = tmp_path / "disk"
    witness.make(str(made))
    return str(made)


def begin(path: str, region: int, name: str) -> Instance:
    return Instance(Disk(path, flags=0), region, name)


def write(instance: Instance, times: int) -> None:
    for _ in range(times):
        instance.write()


def found(path: str) -> list[str]:
    return witness.overlaps(witness.read(path))


def test_one_after_the_other_is_no_overlap(path: str) -> None:
    for region, name in ((0, "a"), (1, "b"), (0, "c"), (2, "d"), (0, "e")):
        write(begin(path, region, name), 70)
    assert [len(records) for records in witness.read(path)] == [210, 70, 70]
    assert found(path) == []


@pytest.mark.parametrize("times", [1, 5])
def test_one_that_begins_while_another_goes_on_is_found(path: str, times: int) -> None:
    old = begin(path, 0, "old")
    write(old, 3)
    write(begin(path, 1, "new"), times)
    write(old, 1)
    assert found(path) == [f"while old ran, region 1 grew from 0 to {times}"]


def test_a_last_write_that_comes_late_is_found_by_the_other(path: str) -> None:
    old = begin(path, 0, "old")
    write(old, 3)
    new = begin(path, 1, "new")
    write(new, 1)
    # It looked before the other one began, and was stuck then.
    late = Record("old", 4, (3, 0, 0))
    Disk(path, flags=0).write(0, 3, late)
    write(new, 1)
    assert found(path) == ["while new ran, region 0 grew from 3 to 4"]


def test_two_in_one_guest_are_found(path: str) -> None:
    one, other = begin(path, 0, "one"), begin(path, 0, "other")
    write(one, 2)
    write(other, 1)
    write(one, 2)
    assert found(path) != []


def test_a_record_that_is_gone_is_found(path: str) -> None:
    one = begin(path, 0, "one")
    write(one, 2)
    one._sequence += 1
    write(one, 1)
    assert found(path) == ["one lost records"]
