# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host says of its guests, and how long it is believed."""

from __future__ import annotations

import uuid as uuids

import pytest

from pmkvm.virt import presence
from pmkvm.virt.presence import Word
from tests.unit.virt.fake_qemu import OTHER_UUID, UUID

NOW = 1_795_370_042.25


def test_a_guest_that_is_named_lives_and_any_other_does_not() -> None:
    text = presence.encode(NOW, [UUID])
    assert text == f"at=1795370042.250 guests={UUID.replace('-', '')}"
    assert presence.word(text, UUID, NOW) == Word.LIVES
    assert presence.word(text, UUID.upper(), NOW) == Word.LIVES
    assert presence.word(text, OTHER_UUID, NOW) == Word.ABSENT


def test_a_host_without_guests_says_so() -> None:
    assert presence.word(presence.encode(NOW, []), UUID, NOW) == Word.ABSENT


@pytest.mark.parametrize(
    ("age_s", "is_heard"),
    [(0, True), (7.9, True), (8.1, False), (3600, False), (-1.9, True), (-2.1, False)],
)
def test_it_is_believed_for_a_few_seconds(age_s: float, is_heard: bool) -> None:
    """A clock that is off by an hour makes it say nothing, either way."""
    for named, heard in (([UUID], Word.LIVES), ([], Word.ABSENT)):
        text = presence.encode(NOW - age_s, named)
        assert presence.word(text, UUID, NOW) == (heard if is_heard else Word.SILENT)


@pytest.mark.parametrize(
    "text",
    ["", "at=", "guests=", "at=x guests=", "at=nan guests=", f"at={NOW}", f"at=inf guests={UUID}"],
)
def test_what_is_none_says_nothing(text: str) -> None:
    assert presence.word(text, UUID, NOW) == Word.SILENT


def test_a_word_that_a_later_release_adds_is_passed_over() -> None:
    text = presence.encode(NOW, [UUID]) + " new new=1"
    assert presence.word(text, UUID, NOW) == Word.LIVES
    assert presence.word(text, OTHER_UUID, NOW) == Word.ABSENT


def test_a_guest_without_a_uuid_is_spoken_of_by_nobody() -> None:
    assert presence.word(presence.encode(NOW, [UUID]), "", NOW) == Word.SILENT


def test_what_does_not_fit_is_told_to_be_there() -> None:
    every = sorted(str(uuids.UUID(int=number)) for number in range(969))
    text = presence.encode(NOW, every)
    assert presence.LONGEST - 33 < len(text) <= presence.LONGEST
    assert text.endswith(" more")
    assert presence.word(text, every[967], NOW) == Word.LIVES
    assert presence.word(text, every[968], NOW) == Word.SILENT
    whole = presence.encode(NOW, every[:968])
    assert presence.word(whole, every[968], NOW) == Word.ABSENT


@pytest.mark.parametrize(
    "said",
    ["", "g1", "zz guests=", "0 at=9999999999", '"\nname="x', f"{UUID}0", "\ufffd" * 32],
)
def test_a_qemu_that_says_no_uuid_may_be_any_guest(said: str) -> None:
    """One that was taken over says what it likes. It changes nothing of what is told of others."""
    text = presence.encode(NOW, [UUID, said])
    assert text == f"at=1795370042.250 guests={UUID.replace('-', '')} more"
    assert presence.word(text, UUID, NOW) == Word.LIVES
    assert presence.word(text, OTHER_UUID, NOW) == Word.SILENT


def test_a_reader_believes_it_until_it_is_repeated() -> None:
    assert presence.REPEAT_S + 1 < presence.FRESH_S
