# SPDX-License-Identifier: GPL-2.0-or-later
"""Words and the answers that come with them: in order, and no more words than are news."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from daemons.vm_stonithd.actions import Answer, Log, RemoveBan, Say
from daemons.vm_stonithd.effects import Effects
from daemons.vm_stonithd.words import Words
from pmkvm.fencing.ban import Ban

if TYPE_CHECKING:
    import pytest

    from daemons.vm_stonithd.actions import Action
    from daemons.vm_stonithd.desk import Desk
    from daemons.vm_stonithd.voice import Voice
    from daemons.vm_stonithd.watch import Watch

BAN = Ban("guest2", "reset", "b1", "guest1", "h", "host1", "uuid2", 1795370064)


class World:
    """What is said and answered, in order; attrd takes its time, or takes nothing."""

    def __init__(self, *, is_deaf: bool = False) -> None:
        self.happened: list[str] = []
        self._is_deaf = is_deaf

    async def say(self, words: Words) -> bool:
        await asyncio.sleep(0.01)
        self.happened.append(f"said {words.up:.0f}")
        return not self._is_deaf

    def answer(self, number: int, _text: str) -> None:
        self.happened.append(f"answered {number}")


def carried_out(world: World, *wanted: Action) -> list[str]:
    async def run() -> None:
        voice, desk = cast("Voice", world), cast("Desk", world)
        effects = Effects(cast("Watch", world), voice, desk, lambda _event: None, lambda: None)
        effects.add(list(wanted))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(effects.run(), 0.5)

    asyncio.run(run())
    return world.happened


def test_of_many_words_the_last_are_said_and_then_all_answers_go() -> None:
    wanted: list[Action] = []
    for number in range(20):
        wanted += [Say(Words(float(number))), Answer(number, "OK"), Log("x")]
    answers = [f"answered {number}" for number in range(20)]
    assert carried_out(World(), *wanted) == ["said 19", *answers]


def test_what_may_rest_on_words_comes_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # No tool of Pacemaker's can reach a cluster from here.
    monkeypatch.setenv("CIB_file", "/nowhere")
    first, second = Say(Words(1.0)), Say(Words(2.0))
    happened = carried_out(World(), first, Answer(1, "OK"), RemoveBan(1, BAN), second)
    assert happened == ["said 1", "answered 1", "said 2"]


def test_no_answer_goes_while_attrd_takes_no_words() -> None:
    say, answer = Say(Words(1.0)), Answer(1, "OK")
    assert carried_out(World(is_deaf=True), say, answer, Say(Words(2.0))) == ["said 2"]
