# SPDX-License-Identifier: GPL-2.0-or-later
"""An upgrade in place: SIGHUP has a daemon execute itself anew, under the same pid.

What has been asked survives, since whoever asked sends it again: a guest's vm-connectd to the
host's, that to the servers, under the same ids. So nothing is handed over but the pid, which the
supervisor knows, the environment, and the name that keeps a second daemon out (Sole). A new
version that can't even say its version changes nothing: the old one goes on.
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import NoReturn

from pmkvm import run, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import CommandError, HaError

log = logging.getLogger(__name__)

CHECK_S = 20.0
CHILDREN_S = 3.0
# Of the service's exit code: no program's own.
ANEW = -1


def own_argv() -> list[str]:
    """How this process was started, interpreter and all."""
    with open(f"{settings.PROC}/self/cmdline", "rb") as file:
        argv = [
            argument.decode("utf-8", "surrogateescape")
            for argument in file.read().split(b"\0")[:-1]
        ]
    # A name from PATH: what it would find now need not be this one.
    return argv if "/" in argv[0] else [sys.executable, *argv[1:]]


def program(argv: list[str]) -> list[str]:
    """Of a command line the interpreter, its options and the script or module; raises HaError."""
    rest = iter(enumerate(argv[1:], 1))
    for at, argument in rest:
        if argument == "-m":
            return argv[: at + 2]
        if not argument.startswith("-"):
            return argv[: at + 1]
    raise HaError("nobody knows how this program was started")


def check() -> None:
    """Whether what is installed now starts at all. Raises HaError."""
    done = run.run([*program(own_argv()), "--version"], timeout_s=CHECK_S)
    if done.rc != 0:
        said = (done.err or done.out).strip().splitlines()
        raise CommandError(f"--version ended with {done.rc}: {said[-1] if said else 'no reason'}")
    log.info("beginning anew as %s", done.out.strip())


def begin() -> NoReturn:
    """Threads end here, descriptors of ours are closed but for Sole's. Raises CommandError.

    Tools that are under way get CHILDREN_S: the new program knows nothing of them.
    """
    # Until the new one listens to it, a second SIGHUP must not kill.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run.wait_for_children(Deadline(CHILDREN_S))
    run.replace(own_argv())
