# SPDX-License-Identifier: GPL-2.0-or-later
"""A record of a fence, as a line and read back: what a guest says can break no line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmkvm.fencing import record
from pmkvm.fencing.record import COORDINATOR, Record

PLAIN = Record(
    at=1_795_358_042.25,
    host="host1",
    part=COORDINATOR,
    operation="reset",
    target="prmVMCTL_guest2",
    outcome="OK",
    reason="dead on host1, host2",
    requester="prmVMCTL_guest1",
    ban="9c41d7e02b6f5a13",
    stages={"write": 12, "answer": 340},
)


def test_a_record_is_one_line_of_json() -> None:
    line = record.encode(PLAIN)
    assert line.endswith("}\n")
    assert json.loads(line) == {
        "schema": 1,
        "time": "2026-11-22T14:34:02.250Z",
        "host": "host1",
        "part": "coordinator",
        "operation": "reset",
        "target": "prmVMCTL_guest2",
        "outcome": "OK",
        "reason": "dead on host1, host2",
        "target_uuid": None,
        "requester": "prmVMCTL_guest1",
        "requester_uuid": None,
        "request": None,
        "key": None,
        "ban": "9c41d7e02b6f5a13",
        "coordinator": None,
        "ms": {"write": 12, "answer": 340},
    }


@given(st.text(max_size=2000))
def test_whatever_a_text_holds_it_is_one_bounded_line(text: str) -> None:
    line = record.encode(PLAIN._replace(requester=text, reason=text))
    assert line.count("\n") == 1
    assert line.isascii()
    assert len(line) < 2 * 12 * record.LONGEST_TEXT + 1000
    (read,) = record.parse(line)
    is_short = len(text) <= record.LONGEST_TEXT
    assert read.reason == text if is_short else read.reason.endswith("...")


def test_a_lone_surrogate_is_escaped() -> None:
    assert record.encode(PLAIN._replace(reason="\udcff")).isascii()


def test_what_is_written_is_read_back() -> None:
    others = [PLAIN._replace(at=1_795_358_043.0, stages={}), PLAIN._replace(at=0.999)]
    text = "".join(map(record.encode, [PLAIN, *others]))
    assert list(record.parse(text)) == [PLAIN, *others]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        '"schema"',
        '{"schema": 2}',
        '{"schema": 1}',
        '{"schema": 1, "time": 5, "ms": {}}',
        '{"schema": 1, "time": "2026-11-22T14:34:02.nanZ"}',
        '{"schema": 1, "time": "2026-11-22 14:34"}',
        "[" * 100_000,
        record.encode(PLAIN)[40:],
        record.encode(PLAIN)[:-9],
    ],
)
def test_what_is_no_record_says_nothing(line: str) -> None:
    assert list(record.parse(f"{line}\n{record.encode(PLAIN)}")) == [PLAIN]


def test_fields_of_another_form_are_unknown() -> None:
    line = '{"schema": 1, "time": "2026-11-22T14:34:02Z", "host": 5, "ms": {"a": "b", "c": 7}}'
    (read,) = record.parse(line)
    assert (read.at, read.host, read.stages) == (1_795_358_042.0, "", {"c": 7})
