# SPDX-License-Identifier: GPL-2.0-or-later
"""What call_in_thread() does, where no thread can be had: an alarm ends the call.

It ends what waits for something that a signal can interrupt, as nearly all does. Only a read from
a dead file system goes on; then whoever waits for this process kills it.
"""

from __future__ import annotations

import signal

from pmkvm.errors import DeadlineError, ExhaustedError
from pmkvm.thread_call import place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeVar

    from pmkvm.deadline import Deadline

    T = TypeVar("T")

# Where an exception is lost (in a finalizer), the next one is not.
_AGAIN_S = 1.0
# A timer of 0 would be none.
_SOONEST_S = 0.001


class _RangError(BaseException):
    """No Exception: nothing between the alarm and us may take it for an error of its own."""


def before_alarm(deadline: Deadline, what: str, function: Callable[[], T]) -> T:
    """The function's result, called in this very thread, which must be the program's first.

    Raises DeadlineError and ExhaustedError as call_in_thread() does.
    """

    def ring(_number: int, frame: FrameType | None) -> None:
        raise _RangError(place_of(frame))

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(_SOONEST_S, deadline.remaining()), _AGAIN_S)
    try:
        try:
            return function()
        finally:
            # An alarm of this very moment still ends below.
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _RangError as place:
        raise DeadlineError(f"out of time while {what}{place}") from None
    except MemoryError as error:
        raise ExhaustedError(f"out of memory while {what}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
