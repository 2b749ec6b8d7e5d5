# SPDX-License-Identifier: GPL-2.0-or-later
"""Time that runs out, counted on the monotonic clock."""

from __future__ import annotations

import select
import time

from pmkvm.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def sleep(seconds: float) -> None:
    """Do nothing for so long.

    time.sleep() waits for a moment of a clock since Python 3.11. libfaketime, by which agents are
    tried years ahead and behind, fails that with EINVAL.
    """
    select.select((), (), (), seconds)


class Deadline:
    """A point in time after which nobody waits any longer."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - self._clock())

    def expired(self) -> bool:
        return self.remaining() <= 0.0

    def less(self, margin_s: float) -> Deadline:
        """The same deadline, margin_s seconds earlier."""
        return Deadline(self.remaining() - margin_s, self._clock)

    def at_most(self, seconds: float) -> Deadline:
        """The earlier of this deadline and one in so many seconds."""
        return Deadline(min(seconds, self.remaining()), self._clock)

    def check(self, what: str) -> None:
        """Raise DeadlineError when the time is over."""
        if self.expired():
            raise DeadlineError(f"out of time while {what}")

    def pause(self, seconds: float) -> None:
        """Sleep, but not past the end."""
        sleep(min(seconds, self.remaining()))
