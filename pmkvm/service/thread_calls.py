# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that block, such as those into libvirt, from a loop that must not.

A thread that does not come back is abandoned. There are only so many of them: beyond that
calls fail at once until one returns.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from functools import partial
from typing import Callable, NoReturn, TypeVar

from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, ExhaustedError, is_exhaustion, reason_of
from pmkvm.thread_call import start_thread

T = TypeVar("T")

# After a result that could not be handed over for lack of memory.
AGAIN_S = 0.1


class _Place:
    """A call's. Its thread alone holds it, so it is free again whatever ends the thread."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.is_free = False


class ThreadCalls:
    """At most limit calls at a time; the process must leave by os._exit while one hangs."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._places: list[weakref.ref[_Place]] = []

    @property
    def hanging(self) -> list[str]:
        """What is under way now, or will never end."""
        self._places = [each for each in self._places if _taken(each)]
        taken = map(_taken, self._places)
        return [place.what for place in taken if place is not None]

    @property
    def complaint(self) -> str:
        """Why the next call fails at once; empty if it does not."""
        hanging = self.hanging
        if len(hanging) < self._limit:
            return ""
        return f"{self._limit} calls hang already, the first while {hanging[0]}"

    async def call(self, what: str, function: Callable[[], T], seconds: float) -> T:
        """Its result. what completes the sentence "out of time while ...".

        Raises DeadlineError, and ExhaustedError where there is no place, no thread, no memory or
        no descriptor for it.
        """
        if self.complaint:
            raise ExhaustedError(self.complaint)
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Callable[[], T]] = loop.create_future()
        deliver = partial(_deliver, loop, outcome, Deadline(seconds))
        self._begin(what, function, deliver)
        try:
            result = await asyncio.wait_for(outcome, seconds)
        except asyncio.TimeoutError as error:
            raise DeadlineError(f"out of time while {what}") from error
        try:
            return result()
        except (OSError, MemoryError) as error:
            if is_exhaustion(error):
                raise ExhaustedError(f"{reason_of(error)} while {what}") from error
            raise

    def _begin(
        self,
        what: str,
        function: Callable[[], T],
        deliver: Callable[[Callable[[], T]], None],
    ) -> None:
        place = _Place(what)
        try:
            start_thread(_work, place, function, deliver)
        except ExhaustedError as error:
            raise ExhaustedError(f"{error} for {what}") from error
        self._places.append(weakref.ref(place))


def _taken(held: weakref.ref[_Place]) -> _Place | None:
    place = held()
    return None if place is None or place.is_free else place


# --- in the thread


def _work(
    place: _Place, function: Callable[[], T], deliver: Callable[[Callable[[], T]], None]
) -> None:
    result: Callable[[], T]
    try:
        result = partial(_give, function())
    except BaseException as error:  # noqa: BLE001 - carried over to the loop
        result = partial(_raise, error)
    # Before anybody hears of the end, and asks for the next call.
    place.is_free = True
    deliver(result)


def _deliver(
    loop: asyncio.AbstractEventLoop,
    outcome: asyncio.Future[Callable[[], T]],
    deadline: Deadline,
    result: Callable[[], T],
) -> None:
    """Hand it to the loop. Who waits for it does so until the deadline."""
    while not deadline.expired():
        try:
            loop.call_soon_threadsafe(_settle, outcome, result)
        except RuntimeError:
            # The loop is closed, nobody waits any more.
            return
        except MemoryError:
            time.sleep(AGAIN_S)
        else:
            return


def _settle(outcome: asyncio.Future[Callable[[], T]], result: Callable[[], T]) -> None:
    if not outcome.done():
        outcome.set_result(result)


def _give(value: T) -> T:
    return value


def _raise(error: BaseException) -> NoReturn:
    raise error
