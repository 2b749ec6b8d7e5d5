# SPDX-License-Identifier: GPL-2.0-or-later
"""The module that starts processes: a list of arguments, a deadline, every child reaped.

But for spawn(), which starts a service that is to outlive its caller, and for a child that SIGKILL
does not end. A child that may well become one is pmkvm.knock's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import NamedTuple, NoReturn

from pmkvm import process, settings
from pmkvm.errors import (
    CommandError,
    CommandExhaustedError,
    CommandMissingError,
    CommandTimeoutError,
    is_exhaustion,
    reason_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pmkvm.deadline import Deadline
    from pmkvm.process import Life

TERM_GRACE_S = 0.5
# Who does not end by SIGKILL waits in the kernel for a file system that hangs.
KILL_S = 1.0
WAIT_S = 0.02

_started: dict[str, int] = {}
_counting = threading.Lock()


class Completed(NamedTuple):
    """How a child process ended; output decoded, undecodable bytes replaced."""

    rc: int
    out: str
    err: str


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end, in a session of its own and a minimal environment.

    At the end of timeout_s its whole process group is terminated, then killed.
    Raises CommandError, of which a missing program, a timeout, and a host without a process or
    memory for it are kinds; any exit code is the caller's to judge.
    """
    with _explained(argv[0]), contextlib.ExitStack() as ours:
        with contextlib.ExitStack() as given:
            out, err = _Pipe(ours, given), _Pipe(ours, given)
            child = subprocess.Popen(
                list(argv),
                stdin=_input(stdin, given),
                stdout=out.write_end,
                stderr=err.write_end,
                env={**settings.CHILD_ENVIRONMENT, **(environment or {})},
                start_new_session=True,
            )
        ours.callback(_end, child)
        _count(argv[0])
        child.stdout, child.stderr = out.read_end, err.read_end
        try:
            said = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise CommandTimeoutError(f"{argv[0]} did not end within {timeout_s:.1f} s") from error
        return Completed(child.returncode, *map(_text, said))


def started() -> dict[str, int]:
    """How often this process has run each program: what it costs its host besides itself."""
    with _counting:
        return dict(_started)


def _count(program: str) -> None:
    with _counting:
        _started[program] = _started.get(program, 0) + 1


class Account(NamedTuple):
    """The rights of a user: its number, its main group, all groups that it is a member of."""

    uid: int
    gid: int
    groups: Sequence[int]


def spawn(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: str | None,
    account: Account | None,
    stdout: int,
    stderr: int,
) -> Life:
    """Start a program that outlives its caller: in a session of its own, with umask 022.

    It gets exactly this environment, and the rights of the account unless that is None. Returns
    once the program itself is executed. Raises CommandError.
    """
    with _explained(argv[0]):
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=dict(environment),
            cwd=directory,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else list(account.groups),
            umask=0o022,
            start_new_session=True,
        )
        try:
            life = process.life_of(child.pid)
        except BaseException:
            # Nobody would know of it.
            child.kill()
            child.wait()
            raise
    # Its end is the caller's to see (exit_code), or init's; no longer this object's.
    child.returncode = 0
    if life is None:
        raise CommandError(f"{argv[0]} was reaped by somebody else")
    return life


def exit_code(life: Life) -> int | None:
    """How a spawned program ended, negative for a signal; None if it has not, or was reaped."""
    try:
        pid, status = os.waitpid(life.pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if pid else None


def wait_for_children(deadline: Deadline) -> None:
    """Until all are reaped, here or by who started them; until the deadline at most."""
    while not deadline.expired():
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            deadline.pause(WAIT_S)


def replace(argv: Sequence[str]) -> NoReturn:
    """Become that program, under the same pid, with the same environment. Raises CommandError."""
    with _explained(argv[0]):
        os.execv(argv[0], list(argv))  # noqa: S606 - there is no shell to begin with


@contextlib.contextmanager
def _explained(program: str) -> Iterator[None]:
    """Says in our own words why a program can't be started."""
    try:
        yield
    except FileNotFoundError as error:
        raise CommandMissingError(f"{program} is not installed") from error
    except PermissionError as error:
        raise CommandMissingError(f"{program} is not executable") from error
    except (OSError, MemoryError) as error:
        kind = CommandExhaustedError if is_exhaustion(error) else CommandError
        raise kind(f"{program} can't be executed: {reason_of(error)}") from error


class _Pipe:
    """One from a child: we keep the end that is read, the other one is given to it.

    Popen's own pipes stay open for ever where there is no descriptor for the next one (Python 3.9
    and 3.11.2): then a moment without descriptors is followed by a life without.
    """

    def __init__(self, ours: contextlib.ExitStack, given: contextlib.ExitStack) -> None:
        read_end, self.write_end = os.pipe()
        given.callback(os.close, self.write_end)
        self.read_end = ours.enter_context(os.fdopen(read_end, "rb"))


def _input(text: str | None, given: contextlib.ExitStack) -> int:
    """What to read from: all of it is there before the program starts.

    Of a pipe it would get a part should we be killed, and take it for the whole: cibadmin 2.1
    repairs XML that breaks off (libxml2's recovery) and carries out what there is of it.
    """
    if text is None:
        return subprocess.DEVNULL
    file = given.enter_context(os.fdopen(os.memfd_create("stdin"), "wb"))
    file.write(text.encode())
    file.seek(0)
    return file.fileno()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Whatever happened, leave no process of this group and no pipe behind."""
    if child.returncode is None:
        # Not reaped yet, so the group's number is still ours, even if only grandchildren live.
        _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(TERM_GRACE_S)
        _signal_group(child, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(KILL_S)
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
