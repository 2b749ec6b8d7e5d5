# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmkvm.fencing import mute
from pmkvm.pacemaker import attributes

NOW = 1795370042.0


def test_the_guests_of_a_host_come_out_as_they_went_in() -> None:
    text = mute.encode(NOW, ["prmVMCTL_guest2", "prm guest,1"])
    assert text == "at=1795370042 mute=prm%20guest%2C1,prmVMCTL_guest2"
    assert mute.resources(text, NOW) == {"prmVMCTL_guest2", "prm guest,1"}
    assert mute.resources(mute.encode(NOW, []), NOW) == frozenset()


@settings(max_examples=100, deadline=None)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)))
def test_any_ids_cross_attrd_which_escapes_nothing(ids: set[str]) -> None:
    text = mute.encode(NOW, ids)
    assert re.fullmatch(r"[A-Za-z0-9._%,= -]*", text)
    line = f'name="{mute.ATTRIBUTE}" host="host1" value="{text}"'
    said = attributes.parse(line, mute.ATTRIBUTE)["host1"]
    assert mute.resources(said, NOW) == ids


@pytest.mark.parametrize("length", [9, 200])
def test_what_has_no_room_is_left_out_and_told(length: int) -> None:
    ids = [f"{number:04}".ljust(length, "x") for number in range(5000)]
    text = mute.encode(NOW, ids)
    assert mute.LONGEST - length - 1 <= len(text) <= mute.LONGEST
    assert text.endswith(" more")
    assert mute.resources(text, NOW) == set(ids[: text.count(",") + 1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "at=1795370042",
        "mute=a",
        "at=x mute=a",
        "at=nan mute=a",
        "at=1795370042 mute=%ZZ",
        "at=1795370042 mute=%FF",
    ],
)
def test_what_is_no_word_of_a_host_says_nothing(text: str) -> None:
    assert mute.resources(text, NOW) == frozenset()


def test_a_host_that_has_stopped_speaking_says_nothing() -> None:
    text = mute.encode(NOW, ["a"])
    assert mute.resources(text, NOW + 2 * mute.REPEAT_S) == {"a"}
    assert mute.resources(text, NOW + mute.FRESH_S + 1) == frozenset()
    assert mute.resources(text, NOW - mute.FRESH_S - 1) == frozenset()


def test_words_of_a_later_release_are_passed_over() -> None:
    assert mute.resources("at=1795370042 for=7 mute=a lost=b", NOW) == {"a"}
