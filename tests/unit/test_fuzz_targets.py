# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzzer's targets, without the fuzzer: on their seeds, and on bytes drawn at random."""

from __future__ import annotations

import random

import pytest

from tests import check
from tests.fuzz.targets import SEEDS, TARGETS


def test_the_check_has_them_all() -> None:
    assert set(check.FUZZ) == {f"fuzz-{name}" for name in TARGETS}


def test_the_check_takes_each_python_in_turn() -> None:
    taken = {check.in_turn(commit) for commit in ("b72fb940", "b72fb941", "b72fb942")}
    assert taken == {f"unit-{version}" for version in check.BETWEEN}
    assert check.in_turn("") in taken


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    assert SEEDS[name]
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_with_some_bytes_changed(name: str) -> None:
    draw = random.Random(name)
    for _ in range(300):
        data = bytearray(draw.choice(SEEDS[name]))
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        at = draw.randrange(len(data))
        TARGETS[name](bytes(data[:at] + data[at:] * draw.randint(0, 3)))


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name: str) -> None:
    draw = random.Random(name)
    for length in (0, 1, 2, 17, 300, 5000):
        for _ in range(10):
            TARGETS[name](draw.randbytes(length))
