# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's side of the checks of one disk: a child, what it is asked, and how long for.

There is one child at a time. It is kept for the next check. One that is late is killed; until it is
dead no other one is begun, and each attempt says at once that the disk hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daemons.diskd import checker
from daemons.diskd.checker import Answer
from pmkvm import run, settings
from pmkvm.errors import HaError
from pmkvm.process import Pidfd
from pmkvm.service import reexec

if TYPE_CHECKING:
    from daemons.diskd.checker import Target
    from pmkvm.process import Life
    from pmkvm.service.thread_calls import ThreadCalls


class _Child(NamedTuple):
    life: Life
    socket: socket.socket


class _Late(NamedTuple):
    """A child that was killed, and since when it should be dead."""

    life: Life
    since: float


class Prober:
    """hanging: the child that was killed and lives, if there is one."""

    def __init__(self, target: Target, timeout_s: float, calls: ThreadCalls) -> None:
        self.target = target
        self._timeout_s = timeout_s
        self._calls = calls
        self._child: _Child | None = None
        self._late: _Late | None = None

    @property
    def hanging(self) -> Life | None:
        return None if self._late is None else self._late.life

    async def attempt(self) -> Answer:
        """One check; it takes its timeout at most."""
        if self._late is not None:
            if not _has_ended(self._late.life):
                since_s = time.monotonic() - self._late.since
                process = f"process {self._late.life.pid}"
                reason = (
                    f"it hangs: {process} was killed {since_s:.0f} s ago and still waits for it"
                )
                return Answer(False, reason, is_hanging=True)
            self._late = None
        try:
            return await asyncio.wait_for(self._ask(), self._timeout_s)
        except asyncio.TimeoutError:
            self.close()
            return Answer(False, f"it hangs: no answer in {self._timeout_s:g} s", is_hanging=True)
        except (HaError, OSError) as error:
            self.close()
            return Answer(False, f"it can't be checked: {error}")

    async def _ask(self) -> Answer:
        if self._child is None:
            self._child = await self._begin()
        loop, connection = asyncio.get_running_loop(), self._child.socket
        with contextlib.suppress(ConnectionError, ValueError):
            await loop.sock_sendall(connection, checker.REQUEST)
            return checker.decode(await loop.sock_recv(connection, checker.LONGEST_ANSWER))
        self.close()
        return Answer(False, "the process that checks it has ended")

    async def _begin(self) -> _Child:
        """Raises HaError and OSError."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            ours.setblocking(False)
            # In a thread: the program itself may lie on the disk that hangs.
            what = f"starting a check of {self.target.path}"
            start = partial(_start, self.target, its)
            # Whoever waits for the attempt has given it up before.
            life = await self._calls.call(what, start, self._timeout_s + 1)
        except BaseException:
            # One that comes up all the same ends by this.
            ours.close()
            raise
        return _Child(life, ours)

    def close(self) -> None:
        """Be rid of the child. Nobody waits for it: it may hang."""
        child, self._child = self._child, None
        if child is None:
            return
        child.socket.close()
        with contextlib.suppress(OSError), Pidfd(child.life) as pidfd:
            pidfd.send(signal.SIGKILL)
        if not _has_ended(child.life):
            self._late = _Late(child.life, time.monotonic())


def own_program() -> list[str]:
    """How this very program is called, without its arguments. Raises HaError and OSError."""
    return reexec.program(reexec.own_argv())


def _start(target: Target, its: socket.socket) -> Life:
    """In a session of its own, so that a stop of the daemon does not look for it, and without the
    environment by which ocf:extra:diskd finds the daemon. It has no pipe of ours: whoever reads one
    to its end would wait for the child. Raises HaError and OSError."""
    with its:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            return run.spawn(
                [*own_program(), *checker.arguments(target)],
                environment=settings.CHILD_ENVIRONMENT,
                directory=None,
                account=None,
                stdout=its.fileno(),
                stderr=nowhere,
            )
        finally:
            os.close(nowhere)


def _has_ended(life: Life) -> bool:
    """Whether it is dead; it is reaped then. A kernel that can't tell has not said so."""
    if run.exit_code(life) is not None:
        return True
    with contextlib.suppress(OSError), Pidfd(life) as pidfd:
        return pidfd.is_dead()
    return False
