# SPDX-License-Identifier: GPL-2.0-or-later
"""The only module that starts processes: a list of words, a deadline, every child reaped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import NamedTuple

from pmkvm import settings
from pmkvm.errors import CommandError, CommandMissingError, CommandTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TERM_GRACE_S = 0.5


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
    Raises CommandError, of which a missing program and a timeout are kinds; any exit code is
    the caller's to judge.
    """
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**settings.CHILD_ENVIRONMENT, **(environment or {})},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CommandMissingError(f"{argv[0]} is not installed") from error
    except PermissionError as error:
        raise CommandMissingError(f"{argv[0]} is not executable") from error
    except OSError as error:
        raise CommandError(f"{argv[0]} can't be executed: {error.strerror}") from error
    try:
        out, err = child.communicate(None if stdin is None else stdin.encode(), timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise CommandTimeoutError(f"{argv[0]} did not end within {timeout_s:.1f} s") from error
    finally:
        _end(child)
    return Completed(child.returncode, _text(out), _text(err))


def _end(child: subprocess.Popen[bytes]) -> None:
    """Whatever happened, leave no process of this group and no pipe behind."""
    if child.returncode is None:
        # Not reaped yet, so the group's number is still ours, even if only grandchildren live.
        _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(TERM_GRACE_S)
        _signal_group(child, signal.SIGKILL)
        child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
