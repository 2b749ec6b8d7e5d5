# SPDX-License-Identifier: GPL-2.0-or-later
"""Real threads; the stuck ones wait for an event that the end of the test sets."""

from __future__ import annotations

import contextlib
import inspect
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm import thread_call as module
from pmkvm.alarm import before_alarm
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, ExhaustedError
from pmkvm.thread_call import Call, abandoned, call_in_thread
from tests.unit import exhaustion

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _none_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_abandoned", [])


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_result_comes_back() -> None:
    assert call_in_thread(Deadline(60), "adding", lambda: 1 + 1) == 2
    assert call_in_thread(Deadline(60), "doing nothing", lambda: None) is None
    assert not abandoned()


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("k"), SystemExit(3)])
def test_an_error_is_carried_over_as_it_is(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        call_in_thread(Deadline(60), "failing", fail)
    assert caught.value is error
    assert not abandoned()


def test_a_stuck_call_is_given_up_with_the_line_where_it_is() -> None:
    entered, may_end = threading.Lock(), threading.Lock()
    entered.acquire()
    may_end.acquire()
    call = Call("asking libvirt", lambda: hang(entered, may_end))
    try:
        assert entered.acquire(timeout=30)
        assert not call.is_done(Deadline(0))
        error = call.abandon()
    finally:
        may_end.release()
    _, first = inspect.getsourcelines(hang)
    where = f"hang, test_thread_call.py:{first + 2}"
    assert str(error) == f"out of time while asking libvirt (in {where})"
    assert abandoned()


def hang(entered: threading.Lock, may_end: threading.Lock) -> None:
    """In one line: who has entered is at it. A lock's functions have no frames of their own."""
    _ = entered.release() or may_end.acquire()  # type: ignore[func-returns-value]


def test_an_expired_deadline_still_lets_a_quick_call_be_abandoned_not_lost(
    release: threading.Event,
) -> None:
    with pytest.raises(DeadlineError):
        call_in_thread(Deadline(0), "being late", release.wait)
    assert abandoned()


def test_what_an_abandoned_call_does_later_reaches_nobody(release: threading.Event) -> None:
    ended = threading.Event()

    def fail_late() -> None:
        release.wait()
        ended.set()
        raise ValueError("too late")

    with pytest.raises(DeadlineError):
        call_in_thread(Deadline(0.05), "waiting", fail_late)
    release.set()
    assert ended.wait(10)


CHILD = """\
import os, threading
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.thread_call import abandoned, call_in_thread
try:
    call_in_thread(Deadline(0.05), "waiting", threading.Event().wait)
except DeadlineError:
    os._exit(40 + abandoned())
"""


def test_a_process_with_a_stuck_call_ends_by_os_exit() -> None:
    ended = subprocess.run([sys.executable, "-B", "-c", CHILD], timeout=120, check=False)
    assert ended.returncode == 41


def test_a_call_waits_for_a_thread_while_none_can_be_had() -> None:
    began = time.monotonic()
    with exhaustion.no_threads(seconds=0.5):
        assert call_in_thread(Deadline(30), "adding", lambda: 1 + 1) == 2
    assert time.monotonic() - began >= 0.5
    assert not abandoned()


def test_a_call_without_a_thread_is_over_at_its_deadline_and_never_begins() -> None:
    done: list[bool] = []
    with exhaustion.no_threads():
        call = Call("asking libvirt", lambda: done.append(True))
        assert not call.has_begun
        assert not call.is_done(Deadline(0))
        assert not call.is_done(Deadline(0.2))
        error = call.abandon()
    assert isinstance(error, ExhaustedError)
    assert str(error) == "out of time while asking libvirt: no thread can be started"
    # Nothing hangs, so the interpreter may leave as it likes.
    assert not abandoned()
    assert done == []


def test_a_call_that_runs_out_of_memory_says_so() -> None:
    def fail() -> None:
        raise MemoryError

    with pytest.raises(ExhaustedError, match=r"^out of memory while asking libvirt$"):
        call_in_thread(Deadline(60), "asking libvirt", fail)


def test_without_a_thread_an_alarm_ends_what_takes_too_long(release: threading.Event) -> None:
    def swallow() -> None:
        """As some of our own code does with errors that it expects."""
        while True:
            with contextlib.suppress(Exception):
                release.wait()

    began = time.monotonic()
    with pytest.raises(DeadlineError, match=r"^out of time while in stop \(in .*\)$"):
        before_alarm(Deadline(0.2), "in stop", swallow)
    assert time.monotonic() - began < 30
    # The alarm is off again, and the signal nobody's.
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_before_an_alarm_a_call_is_what_it_is() -> None:
    assert before_alarm(Deadline(60), "adding", lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        before_alarm(Deadline(60), "failing", lambda: 1 // 0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
