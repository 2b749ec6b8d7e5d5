# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that may never return, such as those into a stopped libvirtd or a dead file system.

A thread in such a call can't be killed; it is abandoned, and the process must then leave
by os._exit, since the interpreter's own way out would pull libvirt away under that thread.
A call for which no thread can be had waits for one until its deadline. Until then it is a call
that does not return, and decides nothing.
"""

from __future__ import annotations

import _thread
import os
import sys

from pmkvm.errors import DeadlineError, ExhaustedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeVar

    from pmkvm.deadline import Deadline

    T = TypeVar("T")

# A thread takes its whole stack from the address space when it starts, 8 MiB by default: that is
# what a host without memory refuses first. Measured with libvirt 9.0: connecting over tcp and ssh,
# creating, migrating, saving and restoring a guest use 16 KiB at the most.
STACK_BYTES = 1 << 20
RETRY_S = 0.1

_abandoned: list[str] = []


class StuckError(DeadlineError):
    """said: without the place in our code, which is for a log."""

    def __init__(self, said: str, place: str) -> None:
        super().__init__(f"{said}{place}")
        self.said = said


def start_thread(function: Callable[..., object], *arguments: object) -> int:
    """The number of a thread that runs it from now on. Raises ExhaustedError."""
    _thread.stack_size(STACK_BYTES)
    try:
        return _thread.start_new_thread(function, arguments)
    except (RuntimeError, MemoryError) as error:
        raise ExhaustedError("no thread can be started") from error


class Call:
    """A function that runs in a thread of its own, from now on or as soon as there is one.

    what completes the sentence "out of time while ...".
    """

    def __init__(self, what: str, function: Callable[[], T]) -> None:
        self._what = what
        self._function = function
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self._value: object = None
        self._error: BaseException | None = None
        self._thread_id = 0
        self._begin()

    @property
    def has_begun(self) -> bool:
        """Whether there was a thread for it."""
        return bool(self._thread_id)

    def is_done(self, deadline: Deadline) -> bool:
        """Whether it has ended by then; waits."""
        while not self._begin():
            if deadline.expired():
                return False
            deadline.pause(RETRY_S)
        if not self._done.acquire(timeout=deadline.remaining()):
            return False
        self._done.release()
        return True

    def result(self) -> object:
        """What it returned, or what it raised is raised. Only when it is done.

        Raises ExhaustedError if it ran out of memory.
        """
        if isinstance(self._error, MemoryError):
            raise ExhaustedError(f"out of memory while {self._what}") from self._error
        if self._error is not None:
            raise self._error
        return self._value

    def abandon(self) -> DeadlineError:
        """Give it up; the error names the line of our code where it is stuck."""
        late = f"out of time while {self._what}"
        if not self.has_begun:
            return ExhaustedError(f"{late}: no thread can be started")
        _abandoned.append(self._what)
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the documented way
        return StuckError(late, place_of(frame))

    def _begin(self) -> bool:
        """Start it, unless it has begun; False if there is no thread for it now."""
        if not self.has_begun:
            try:
                self._thread_id = start_thread(self._run)
            except ExhaustedError:
                return False
        return True

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001 - carried over to the waiting thread
            self._error = error
        finally:
            self._done.release()


def call_in_thread(deadline: Deadline, what: str, function: Callable[[], T]) -> T:
    """The function's result, or what it raises, if it comes before the deadline.

    Raises DeadlineError, as Call.abandon() says it, and ExhaustedError as Call.result().
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


def place_of(frame: FrameType | None) -> str:
    """Where it is now, to be put behind a sentence; empty if that is not known."""
    if frame is None:
        return ""
    code = frame.f_code
    return f" (in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
