# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that may never return, such as those into a stopped libvirtd or a dead file system.

A thread in such a call can't be killed; it is abandoned, and the process must then leave
by os._exit, since the interpreter's own way out would pull libvirt away under that thread.
"""

from __future__ import annotations

import _thread
import os
import sys

from pmkvm.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pmkvm.deadline import Deadline

    T = TypeVar("T")

_abandoned: list[str] = []


class Call:
    """A function that runs in a thread of its own from now on.

    what completes the sentence "out of time while ...".
    """

    def __init__(self, what: str, function: Callable[[], T]) -> None:
        self._what = what
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self._value: object = None
        self._error: BaseException | None = None
        self._thread_id = _thread.start_new_thread(self._run, (function,))

    def is_done(self, deadline: Deadline) -> bool:
        """Whether it has ended by then; waits."""
        if not self._done.acquire(timeout=deadline.remaining()):
            return False
        self._done.release()
        return True

    def result(self) -> object:
        """What it returned, or what it raised is raised. Only when it is done."""
        if self._error is not None:
            raise self._error
        return self._value

    def abandon(self) -> DeadlineError:
        """Give it up; the error names the line of our code where it is stuck."""
        _abandoned.append(self._what)
        return DeadlineError(f"out of time while {self._what}{_where(self._thread_id)}")

    def _run(self, function: Callable[[], T]) -> None:
        try:
            self._value = function()
        except BaseException as error:  # noqa: BLE001 - carried over to the waiting thread
            self._error = error
        finally:
            self._done.release()


def within(deadline: Deadline, what: str, function: Callable[[], T]) -> T:
    """The function's result, or what it raises, if it comes before the deadline.

    Raises DeadlineError, as Call.abandon() says it.
    """
    call = Call(what, function)
    if not call.is_done(deadline):
        raise call.abandon()
    return call.result()  # type: ignore[return-value]


def abandoned() -> bool:
    """Whether a call still hangs somewhere, so that only os._exit is safe."""
    return bool(_abandoned)


def leave(code: int) -> int:
    """The last thing that a program's main does: the code for sys.exit, if that is safe."""
    if abandoned():
        sys.stdout.flush()
        os._exit(code)
    return code


def _where(thread_id: int) -> str:
    frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - the documented way to look
    if frame is None:
        return ""
    code = frame.f_code
    return f" (in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
