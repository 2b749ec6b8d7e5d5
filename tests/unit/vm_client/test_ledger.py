# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest's cluster is told, by answers, failures and time."""

from __future__ import annotations

import pytest

from daemons.vm_client.ledger import AGAIN_S, FAILURES, Ledger, Write

PATIENCE_S = 15.0


def write_all(ledger: Ledger, now: float) -> list[Write]:
    due = ledger.due(now)
    for write in due:
        ledger.written(write, now)
    return due


def is_mute(ledger: Ledger) -> bool:
    return ledger.is_mute


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(("a", "b"), PATIENCE_S, 0.0)


def test_before_the_first_answer_nothing_is_written(ledger: Ledger) -> None:
    assert ledger.due(0.0) == []
    ledger.failed(1.0)
    ledger.failed(14.0)
    assert ledger.due(14.0) == []


def test_an_answer_defines_what_it_tells_and_nothing_else(ledger: Ledger) -> None:
    ledger.answered({"a": "1"}, 1.0)
    assert write_all(ledger, 1.0) == [Write("a", "1"), Write("b", None)]
    assert write_all(ledger, 2.0) == []


def test_changes_alone_are_written(ledger: Ledger) -> None:
    ledger.answered({"a": "1", "b": "2"}, 1.0)
    write_all(ledger, 1.0)
    ledger.answered({"a": "1", "b": "3"}, 6.0)
    assert write_all(ledger, 6.0) == [Write("b", "3")]
    ledger.answered({"b": "3"}, 11.0)
    assert write_all(ledger, 11.0) == [Write("a", None)]


def test_what_was_not_written_is_due_again(ledger: Ledger) -> None:
    ledger.answered({"a": "1"}, 1.0)
    assert ledger.due(1.0) == ledger.due(2.0) != []


def test_a_host_that_is_mute_has_no_attributes_any_more(ledger: Ledger) -> None:
    ledger.answered({"a": "1"}, 10.0)
    write_all(ledger, 10.0)
    ledger.failed(19.0)
    ledger.failed(24.9)
    assert write_all(ledger, 24.9) == []
    assert not is_mute(ledger)
    ledger.failed(25.0)
    assert write_all(ledger, 25.0) == [Write("a", None)]
    assert is_mute(ledger)
    ledger.answered({"a": "1"}, 26.0)
    assert not is_mute(ledger)
    assert write_all(ledger, 26.0) == [Write("a", "1")]


def test_a_guest_that_stood_still_asks_again_before_it_calls_the_host_mute(
    ledger: Ledger,
) -> None:
    ledger.answered({"a": "1"}, 10.0)
    write_all(ledger, 10.0)
    assert FAILURES > 1
    ledger.failed(1000.0)
    assert write_all(ledger, 1000.0) == [Write("a", "1")]
    ledger.answered({"a": "2"}, 1001.0)
    assert write_all(ledger, 1001.0) == [Write("a", "2")]


def test_a_host_that_never_answers_is_mute_too(ledger: Ledger) -> None:
    ledger.failed(5.0)
    ledger.failed(PATIENCE_S)
    assert write_all(ledger, PATIENCE_S) == [Write("a", None), Write("b", None)]
    assert ledger.unanswered_s(PATIENCE_S) == PATIENCE_S


def test_what_the_attribute_manager_may_have_lost_is_written_again(ledger: Ledger) -> None:
    ledger.answered({"a": "1"}, 0.0)
    write_all(ledger, 0.0)
    ledger.answered({"a": "1"}, AGAIN_S - 1)
    assert write_all(ledger, AGAIN_S - 1) == []
    assert ledger.due(AGAIN_S) == [Write("a", "1")]
    assert not ledger.is_news(Write("a", "1"))
    assert ledger.is_news(Write("a", "2"))
