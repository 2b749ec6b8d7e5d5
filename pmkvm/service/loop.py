# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a daemon: one asyncio loop, signals that end it, tasks that must not fail.

A supervised task that fails ends the daemon with 1, so that whoever supervises it starts it
anew; an error in a single connection's callback is logged and ends nothing else. A callback of the
loop that ran out of memory ends it too: nobody knows what it has left undone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import Any, Callable

from pmkvm.errors import ExhaustedError, HaError, is_exhaustion, reason_of
from pmkvm.service import reexec
from pmkvm.service.notify import notify
from pmkvm.service.thread_calls import ThreadCalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)

STOP_S = 5.0
RENEW_S = reexec.CHECK_S + 5.0
# After a moment without a descriptor for the word to the supervisor.
READY_AGAIN_S = 0.5


class Service:
    """The running daemon, as its parts see it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._rc = 0
        self._is_renewing = False

    @property
    def is_stopping(self) -> bool:
        return self._stopped.is_set()

    @property
    def is_beginning_anew(self) -> bool:
        """Whether the same program follows at once, so that nothing has to be cleared away."""
        return self._rc == reexec.ANEW

    def supervise(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it beside the others; name is for the log."""
        task = asyncio.get_running_loop().create_task(self._watched(name, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def ready(self) -> None:
        """Tell the supervisor that this daemon serves, now or as soon as that can be told."""
        try:
            notify("READY=1")
        except ExhaustedError as error:
            log.warning("not told that this is ready: %s", error)
            asyncio.get_running_loop().call_later(READY_AGAIN_S, self.ready)
            return
        log.info("ready")

    def stop(self, reason: str, rc: int = 0) -> None:
        if not self.is_stopping:
            self._end(reason, rc)
            with contextlib.suppress(ExhaustedError):
                notify("STOPPING=1")

    def _end(self, reason: str, rc: int) -> None:
        if not self.is_stopping:
            # First of all: there may be no memory for words.
            self._rc = rc
            try:
                self._stopped.set()
            except MemoryError:
                # Nobody else would end it.
                os._exit(1)
            log.info("stopping: %s", reason)

    async def run(self, start: Callable[[Service], Coroutine[Any, Any, None]]) -> int:
        """Start, serve until stop() or a signal, end all tasks."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._hear_error)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self.supervise("the start", start(self))
        await self._stopped.wait()
        await self._end_tasks()
        return self._rc

    def _hang_up(self) -> None:
        if not self._is_renewing:
            self._is_renewing = True
            self.supervise("beginning anew", self._renew())

    async def _renew(self) -> None:
        """Only if what is installed now starts: else this one goes on."""
        calls = ThreadCalls(1)
        try:
            await calls.call("checking the program", reexec.check, RENEW_S)
        except (HaError, OSError) as error:
            log.error("what is installed now does not start, so this goes on: %s", error)
            self._is_renewing = False
        else:
            self._end("SIGHUP", reexec.ANEW)

    async def _watched(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.stop(f"{name} failed", rc=1)
            is_ours = isinstance(error, HaError)
            log.error("%s failed: %s", name, error, exc_info=None if is_ours else error)

    def _hear_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, MemoryError) and "handle" in context:
            self.stop("out of memory in the loop", rc=1)
        # That connections can't be taken now is asyncio's own word, and passes by itself.
        is_known = error is None or is_exhaustion(error)
        told = "" if error is None else f": {reason_of(error)}"
        message = context.get("message")
        log.error("in the loop: %s%s", message, told, exc_info=None if is_known else error)

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _ended, hanging = await asyncio.wait(tasks, timeout=STOP_S)
            for task in hanging:
                log.error("%s does not end", task)


def run(start: Callable[[Service], Coroutine[Any, Any, None]]) -> int:
    """The daemon's exit code: 0 after a signal, 1 if a supervised task failed, anew.ANEW if it is
    to execute itself anew once it has let go of what it holds."""

    async def serve() -> int:
        return await Service().run(start)

    try:
        return asyncio.run(serve())
    except MemoryError:
        # The loop's own: whoever is left does nothing any more.
        return 1
