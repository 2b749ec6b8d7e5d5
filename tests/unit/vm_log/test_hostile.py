# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever stands in a log: nothing raises, and nothing of it reaches a terminal as it is."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as some

from check.vm_log import patterns, source, told
from check.vm_log.main import events

PROGRAMS = sorted({one.program for one in patterns.PATTERNS})
# The words of the patterns, with anything in the place of names and reasons.
MESSAGES = (
    "Result of start operation for {} on {}: error ({}) | graph action x",
    "Result of migrate_from operation for {} on {}: ok | {}",
    "Transition 1 action 2 ({}_start_0 on {}) confirmed: ok | {}",
    "Unexpected result (error: {}) was recorded for start of {} on {} at Dec  2 | rc=1",
    "Actions: Move  {}  ( {} -> host1 )  due to {}",
    "Actions: Fence (reboot) {} '{}' {}",
    "Peer {} was not terminated (reboot) by {} on behalf of x@y: Error ({}) | event=1",
    "Operation 'reboot' [1] targeting {} using {} returned 1 ({}) | call 2",
    "Setting migration-{}[{}]: (unset) -> {} | from host1",
    "0123456789abcdef {} reset {} on host1: NG {} (12 ms, ban 0123)",
    "{} {} {}",
)


def check(texts: list[str]) -> None:
    for event in events(texts):
        line = told.line(event, "now")
        assert line.isprintable(), line
        said = told.as_json(event, "now")
        assert said.isprintable()
        assert said.isascii()
        assert json.loads(said)["kind"] == event.kind.value


@given(some.lists(some.binary(max_size=200), max_size=8))
def test_any_bytes(pieces: list[bytes]) -> None:
    check(list(source.split(pieces)))


@given(
    some.lists(
        some.tuples(
            some.sampled_from(PROGRAMS),
            some.sampled_from(MESSAGES),
            *(some.text(min_size=1, max_size=12) for _ in range(3)),
        ),
        max_size=6,
    )
)
def test_any_names_and_reasons(said: list[tuple[str, str, str, str, str]]) -> None:
    head = "Dec 02 08:42:33.790 host1 {}  [143] (f) \tnotice: "
    texts = [head.format(program) + message.format(*words) for program, message, *words in said]
    check(texts)
    at = {"__REALTIME_TIMESTAMP": "1796202026966000", "_HOSTNAME": "\x1b[2J"}
    check(
        [
            json.dumps({**at, "SYSLOG_IDENTIFIER": program, "MESSAGE": message.format(*words)})
            for program, message, *words in said
        ]
    )


def test_an_exit_reason_can_t_clear_the_terminal() -> None:
    head = "Dec 02 08:42:33.790 host1 pacemaker-controld  [143] (f) \terror: "
    said = "error (\x1b[2J\x9b\u202e\x7f) | graph action x"
    (event,) = events([f"{head}Result of start operation for g on h: {said}"])
    assert told.sentence(event) == r"g: start failed on h: error: \x1b[2J\x9b\u{202e}\x7f"


def test_a_long_line_takes_no_long_time() -> None:
    """Of patterns that try again at each letter: bounded by what is kept of a line."""
    head = "Dec 02 08:42:33.790 host1 {}  [143] (f) \tnotice: "
    for program in PROGRAMS:
        for message in MESSAGES:
            words = ("a" * 90_000, "b" * 90_000, "( -> " * 20_000)
            check([head.format(program) + message.format(*words)])


def test_a_failure_with_an_endless_reason_is_told() -> None:
    head = "Dec 02 08:42:33.790 host1 pacemaker-controld  [143] (f) \terror: "
    (event,) = events([f"{head}Result of start operation for g on h: error ({'x' * 9000}) | graph"])
    assert (event.result, event.reason[:3]) == ("error", "xxx")
