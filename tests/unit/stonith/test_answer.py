# SPDX-License-Identifier: GPL-2.0-or-later
"""Which words are a yes."""

from __future__ import annotations

import pytest

from stonith.plugin import answer
from stonith.plugin.answer import Answer

FENCES: list[answer.Operation] = ["on", "off", "reset"]


@pytest.mark.parametrize("operation", FENCES)
def test_a_fence_is_done_by_the_word_ok_alone(operation: answer.Operation) -> None:
    assert answer.parse(operation, "OK") == Answer(is_ok=True)
    assert answer.parse(operation, "OK\n").is_ok
    for text in ("", "ok", "OKAY", "OK off", "OK on", "OK g1,g2", "NG", "NG OK", "N", "\0OK\nNG"):
        assert not answer.parse(operation, text).is_ok, text


@pytest.mark.parametrize(
    ("text", "is_ok", "power"),
    [
        ("OK on", True, "on"),
        ("OK off", True, "off"),
        ("OK", True, ""),
        ("OK  off", False, ""),
        ("OK of", False, ""),
        ("off", False, ""),
        ("NG off", False, ""),
    ],
)
def test_a_status_knows_on_off_and_unknown(text: str, is_ok: bool, power: str) -> None:
    got = answer.parse("status", text)
    assert (got.is_ok, got.power) == (is_ok, power)


def test_a_reason_is_one_bounded_line() -> None:
    got = answer.parse("reset", "NG you are\n\x1b[31mbeing fenced " + "x" * 9999)
    assert str(got).startswith("NG you are  [31mbeing fenced xxx")
    assert str(got).isprintable()
    assert len(str(got)) <= 400
    assert "not understood" in str(answer.parse("reset", "what?"))
