# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that may never return, such as those into a stopped libvirtd or a dead file system.

A thread in such a call can't be killed; it is abandoned, and the process must then leave
by os._exit, since the interpreter's own way out would pull libvirt away under that thread.
"""

from __future__ import annotations

import _thread
import sys

from pmkvm.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pmkvm.deadline import Deadline

    T = TypeVar("T")

_abandoned: list[str] = []


class _Outcome:
    def __init__(self) -> None:
        self.done = _thread.allocate_lock()
        self.done.acquire()
        self.thread_id = 0
        self.value: object = None
        self.error: BaseException | None = None


def within(deadline: Deadline, what: str, function: Callable[[], T]) -> T:
    """The function's result, or what it raises, if it comes before the deadline.

    what completes the sentence "out of time while ...". Raises DeadlineError, which also
    names the line of our code where the call was stuck.
    """
    outcome = _Outcome()

    def call() -> None:
        try:
            outcome.value = function()
        except BaseException as error:  # noqa: BLE001 - carried over to the waiting thread
            outcome.error = error
        finally:
            outcome.done.release()

    outcome.thread_id = _thread.start_new_thread(call, ())
    if not outcome.done.acquire(timeout=deadline.remaining()):
        _abandoned.append(what)
        raise DeadlineError(f"out of time while {what}{_where(outcome.thread_id)}")
    if outcome.error is not None:
        raise outcome.error
    return outcome.value  # type: ignore[return-value]


def abandoned() -> bool:
    """Whether a call still hangs somewhere, so that only os._exit is safe."""
    return bool(_abandoned)


def _where(thread_id: int) -> str:
    frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - the documented way to look
    if frame is None:
        return ""
    code = frame.f_code
    return f" (in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
