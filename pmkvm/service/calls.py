# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that block, such as those into libvirt, from a loop that must not.

A thread that does not come back is abandoned. There are only so many of them: beyond that
calls fail at once until one returns.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
from functools import partial
from typing import Callable, TypeVar

from pmkvm.errors import DeadlineError

T = TypeVar("T")


class Calls:
    """At most limit calls at a time; the process must leave by os._exit while one hangs."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._names: dict[int, str] = {}
        self._next = 0

    @property
    def hanging(self) -> list[str]:
        """What is under way now, or will never end."""
        return list(self._names.values())

    async def call(self, what: str, function: Callable[[], T], seconds: float) -> T:
        """Its result. what completes the sentence "out of time while ...". Raises DeadlineError."""
        if len(self._names) >= self._limit:
            raise DeadlineError(
                f"{self._limit} calls hang already, the first while {self._first()}"
            )
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        self._next += 1
        number = self._next
        self._names[number] = what

        def deliver(settle: Callable[[], None]) -> None:
            self._names.pop(number, None)
            if not outcome.done():
                settle()

        _thread.start_new_thread(_work, (function, outcome, deliver, loop))
        try:
            return await asyncio.wait_for(outcome, seconds)
        except asyncio.TimeoutError as error:
            raise DeadlineError(f"out of time while {what}") from error

    def _first(self) -> str:
        return next(iter(self._names.values()))


def _work(
    function: Callable[[], T],
    outcome: asyncio.Future[T],
    deliver: Callable[[Callable[[], None]], None],
    loop: asyncio.AbstractEventLoop,
) -> None:
    """In the thread: call, and hand what came of it to the loop."""
    try:
        settle = partial(outcome.set_result, function())
    except BaseException as error:  # noqa: BLE001 - carried over to the loop
        settle = partial(outcome.set_exception, error)
    with contextlib.suppress(RuntimeError):
        # RuntimeError: the loop is closed, nobody waits any more.
        loop.call_soon_threadsafe(deliver, settle)
