# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a start of a resource is under way on this host.

A start holds a lock from before its first look for a ban until its guest is there, and only a
start makes the lock's file. Where there is no file, none has run since the host's boot, or
somebody has removed the file, or it could not be made: then the process table tells, in which a
start is a Python of root's whose last argument is "start" and whose environment names it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pmkvm import files, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.virt import record

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACTION = b"start"
# Of a command line, of an environment, of /proc/PID/status. An agent's are far shorter.
_LONGEST_COMMAND, _LONGEST_ENVIRONMENT, _LONGEST_STATUS = 4096, 1 << 20, 4096


@contextlib.contextmanager
def held_off(resource: str) -> Iterator[None]:
    """No start of it is under way; with a lock to hold, none begins before the end of this.

    Raises DeadlineError if one is under way, OSError if nobody can tell.
    """
    with contextlib.ExitStack() as stack:
        try:
            lock = files.Lock(record.lock_path(resource), Deadline(0), makes_file=False)
            stack.enter_context(lock)
        except OSError:
            if _is_under_way(resource):
                raise DeadlineError(f"{resource}: a start is under way") from None
        yield


def _is_under_way(resource: str) -> bool:
    variable = b"OCF_RESOURCE_INSTANCE=" + os.fsencode(resource)
    directories = (
        f"{settings.PROC}/{each}" for each in os.listdir(settings.PROC) if each.isdigit()
    )
    return any(_is_start(directory, variable) for directory in directories)


def _is_start(directory: str, variable: bytes) -> bool:
    """Gone, or of another user, it is none: what any user may write says nothing."""
    try:
        if os.stat(directory).st_uid != os.geteuid():
            return False
        argv = (
            files.read_beginning(f"{directory}/cmdline", _LONGEST_COMMAND)
            .rstrip(b"\0")
            .split(b"\0")
        )
        if argv[-1] != _ACTION or not _is_our_python(directory):
            return False
        environment = files.read_beginning(f"{directory}/environ", _LONGEST_ENVIRONMENT)
    except (FileNotFoundError, ProcessLookupError):
        return False
    is_whole = len(environment) < _LONGEST_ENVIRONMENT
    return variable in environment.split(b"\0") or not is_whole


def _is_our_python(directory: str) -> bool:
    """Not a program that runs with root's rights for somebody else: neither sudo nor one that has
    hidden whose it is (PR_SET_DUMPABLE)."""
    if "python" not in os.path.basename(os.readlink(f"{directory}/exe")):
        return False
    status = files.read_beginning(f"{directory}/status", _LONGEST_STATUS).splitlines()
    users = next((line.split()[1:] for line in status if line.startswith(b"Uid:")), [])
    return set(users) == {b"%d" % os.geteuid()}
