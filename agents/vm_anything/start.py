# SPDX-License-Identifier: GPL-2.0-or-later
"""Start: run the program, wait until it is ready, and leave nothing behind if it is not."""

from __future__ import annotations

import contextlib

from agents.vm_anything import mark, pidfile, program, session
from agents.vm_anything.monitor import run_hook
from agents.vm_anything.notify import NotifySocket
from agents.vm_anything.output import Output
from agents.vm_anything.session import Session
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.process import is_alive
from pmkvm.run import exit_code, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.vm_anything.program import Program
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life

# A program that has said nothing through its NOTIFY_SOCKET in this time does not speak it.
MOMENT_S = 1.0
# Kept back for the end of a program that does not become ready, and at most a quarter of the time.
_RESERVE_S = 4.0
# How soon a death is seen while the socket is silent.
_POLL_S = 0.02
_HOOK_PAUSE_S = 1.0
# With less time left the hook is not begun once more.
_HOOK_TIME_S = 0.5
# How long a killed program is waited for when there is no time left at all.
_KILL_S = 0.3


def start(context: Context) -> OcfCode:
    """Idempotent."""
    return begin(context, speaks=False)


def begin(context: Context, *, speaks: bool) -> OcfCode:
    """Returns when the program is ready and the monitor hook content. Idempotent.

    speaks: it is known to say through its NOTIFY_SOCKET that it is ready, however late.
    """
    what = program.from_context(context)
    deadline = context.deadline.less(min(_RESERVE_S, context.deadline.remaining() / 4))
    before = pidfile.load(context)
    if before.life is not None and is_alive(before.life):
        context.log.info(f"runs already: {before.life.pid}")
        return OcfCode.SUCCESS
    found = mark.find(context, before.life)
    if found:
        mark.note(context, found)
        return OcfCode.SUCCESS
    if before.doubt is not None:
        raise before.doubt
    if before.life is not None:
        _clean_up(context, before.life)
    with contextlib.ExitStack() as stack:
        socket = stack.enter_context(NotifySocket())
        stdout = stack.enter_context(Output(context.text("logfile"), what.account, context.log))
        stderr = stdout
        if context.text("errlogfile"):
            errors = Output(context.text("errlogfile"), what.account, context.log)
            stderr = stack.enter_context(errors)
        life = _spawn(context, what, socket.address, stdout, stderr)
        try:
            is_stored = pidfile.store(context, life)
            _wait_until_ready(life, socket, stderr, deadline, speaks=speaks)
            _wait_until_healthy(context, life, stderr, deadline)
            if not is_stored:
                _check_found(context, life)
        except BaseException:
            _clean_up(context, life)
            raise
    context.log.info(f"started: {life.pid}")
    return OcfCode.SUCCESS


def _spawn(context: Context, what: Program, address: str, stdout: Output, stderr: Output) -> Life:
    # The mark first: of an environment only the beginning is read.
    own = {mark.VARIABLE: mark.of_a_start(context), "NOTIFY_SOCKET": address}
    return spawn(
        what.argv,
        environment={**own, **what.environment},
        directory=what.directory,
        account=what.account,
        stdout=stdout.fd,
        stderr=stderr.fd,
    )


def _wait_until_ready(
    life: Life, socket: NotifySocket, stderr: Output, deadline: Deadline, *, speaks: bool
) -> None:
    """Raises OcfError if the program dies, or speaks and is not ready at the deadline."""
    moment = deadline.at_most(MOMENT_S)
    status = ""
    while True:
        message = socket.receive(life, min(_POLL_S, deadline.remaining()))
        _check_alive(life, stderr)
        if message is not None:
            speaks, status = True, message.status or status
            if message.is_ready:
                return
        elif not speaks and moment.expired():
            return
        if deadline.expired():
            raise OcfError(
                OcfCode.GENERIC,
                f"program {life.pid} lives but is not ready in time"
                + (f", it says: {status}" if status else ""),
            )


def _wait_until_healthy(context: Context, life: Life, stderr: Output, deadline: Deadline) -> None:
    """The hook may need the program to be further than it said, so it is asked again."""
    said: OcfError | None = None
    while True:
        try:
            run_hook(context, deadline)
            return
        except OcfError as error:
            _check_alive(life, stderr)
            if said is not None and deadline.expired():
                # The deadline has cut this one short: the reason is what it said before.
                raise said from error
            if deadline.less(_HOOK_PAUSE_S + _HOOK_TIME_S).expired():
                raise
            said = error
        deadline.pause(_HOOK_PAUSE_S)


def _check_alive(life: Life, stderr: Output) -> None:
    if is_alive(life):
        return
    code, said = exit_code(life), stderr.last_line()
    how = "ended" if code is None else f"ended with {code}"
    if code is not None and code < 0:
        how = f"was killed by signal {-code}"
    raise OcfError(
        OcfCode.GENERIC, f"the program {how} while it started" + (f": {said}" if said else "")
    )


def _check_found(context: Context, life: Life) -> None:
    """Raises OcfError if nothing tells the next action of this program."""
    if life not in [one.leader for one in mark.find(context)]:
        raise OcfError(
            OcfCode.GENERIC,
            f"{pidfile.path(context)} can't be written, and program {life.pid} has lost its mark:"
            " it would not be found again",
        )


def _clean_up(context: Context, life: Life) -> None:
    """Kill the session and forget it; what survives is remembered. Raises OcfError then."""
    remaining = context.deadline.remaining()
    deadline = context.deadline.at_most(max(_KILL_S, remaining / 2))
    survivors = session.kill([Session(life)], deadline)
    if survivors:
        raise OcfError(OcfCode.GENERIC, f"process {survivors[0].pid} survives SIGKILL")
    pidfile.forget(context)
