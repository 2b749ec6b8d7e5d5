# SPDX-License-Identifier: GPL-2.0-or-later
"""What a child says to its daemon."""

from __future__ import annotations

import pytest

from daemons.diskd import checker
from daemons.diskd.checker import LONGEST_ANSWER, Answer


@pytest.mark.parametrize(
    "answer", [Answer(True), Answer(False, "Input/output error"), Answer(False, "it hangs", True)]
)
def test_an_answer_arrives_as_it_was(answer: Answer) -> None:
    assert checker.decode(checker.encode(answer)) == answer


@pytest.mark.parametrize("letter", ["x", "\N{SNOWMAN}", "\N{FIRE}", "\x00"])
def test_the_longest_answer_is_read_as_a_whole(letter: str) -> None:
    message = checker.encode(Answer(False, letter * 10_000))
    assert len(message) < LONGEST_ANSWER
    assert not checker.decode(message).is_good


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"", "Expecting value"),
        (b"{}", "no answer"),
        (b"[true]", "no answer"),
        (b'[1, "", false]', "no answer"),
        (b"\xff", "decode"),
    ],
)
def test_anything_else_is_no_answer(message: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checker.decode(message)
