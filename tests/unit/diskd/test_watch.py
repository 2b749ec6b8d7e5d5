# SPDX-License-Identifier: GPL-2.0-or-later
"""When a disk is checked again, and what is said of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from daemons.diskd.checker import Answer, Target
from daemons.diskd.verdict import Pace
from daemons.diskd.watch import Watch
from tests.unit.waiting import until

if TYPE_CHECKING:
    from daemons.diskd.prober import Prober

GOOD, BAD = Answer(True), Answer(False, "Input/output error")
HANGS = Answer(False, "it hangs", is_hanging=True)
PACE = Pace(0.01, 60, 2, 0.01)


class Script:
    """A prober that answers so, and the last answer for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.target = Target("/dev/sda", False, "")
        self.answers = list(answers)
        self.attempts = 0
        self.is_closed = False

    async def attempt(self) -> Answer:
        self.attempts += 1
        return self.answers.pop(0) if self.answers[1:] else self.answers[0]

    def close(self) -> None:
        self.is_closed = True


def watch(script: Script, pace: Pace = PACE, changed: Any = lambda: None) -> Watch:
    return Watch(cast("Prober", script), pace, changed)


@pytest.mark.parametrize(
    ("answers", "attempts", "expected"),
    [
        ([GOOD], 1, GOOD),
        ([BAD, GOOD], 2, GOOD),
        ([BAD, BAD, BAD, GOOD], 3, BAD),
        ([HANGS, GOOD], 1, HANGS),
        ([BAD, HANGS, GOOD], 2, HANGS),
    ],
)
async def test_what_failed_is_repeated_and_what_hangs_is_not(
    answers: list[Answer], attempts: int, expected: Answer
) -> None:
    script = Script(*answers)
    assert await watch(script).check() == expected
    assert script.attempts == attempts


async def test_only_a_change_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = Script(*[BAD] * 9, *[GOOD] * 3, HANGS)
    changes: list[str] = []
    made: Watch = watch(script, changed=lambda: changes.append(made.finding.reason))
    task = asyncio.ensure_future(made.run())
    await until(lambda: script.attempts > 20)
    task.cancel()
    await asyncio.wait([task])
    said = [record.getMessage() for record in caplog.records]
    assert said == ["/dev/sda: Input/output error", "/dev/sda answers", "/dev/sda: it hangs"]
    assert changes == ["Input/output error", "", "it hangs"]
    assert script.is_closed


async def test_what_weakens_the_proof_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(Answer(True, "no O_DIRECT"))
    made = watch(script)
    task = asyncio.ensure_future(made.run())
    await until(lambda: script.attempts > 3)
    task.cancel()
    await asyncio.wait([task])
    assert made.weakness == "no O_DIRECT"
    assert [record.getMessage() for record in caplog.records] == ["/dev/sda: no O_DIRECT"]
    assert (made.finding.is_good, made.finding.reason) == (True, "")


async def test_a_check_that_takes_longer_than_the_interval_is_followed_at_once() -> None:
    class Slow(Script):
        async def attempt(self) -> Answer:
            await asyncio.sleep(0.05)
            return await super().attempt()

    script = Slow(HANGS)
    task = asyncio.ensure_future(watch(script).run())
    await until(lambda: script.attempts > 3)
    task.cancel()
    await asyncio.wait([task])
