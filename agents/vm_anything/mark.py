# SPDX-License-Identifier: GPL-2.0-or-later
"""A program found without its pid file, by the mark that a start puts into its environment.

The mark is a variable with the time of the start and the path of the pid file, which is as much
this resource's alone as the file. A process is taken for the program that was started with it only
if all of this is so:

- It leads a session, as spawn() makes it do, and it began within 5 s of the time in the mark.
  What the program starts inherits the variable, but leads no session, or is younger.
- All its user ids are those of the user that the parameter user names, so that no other user
  can forge it. Nor is its executable a setuid one: a sudo that waits for a password is root's
  process, and has the environment that an ordinary user gave it.
- It is in our own pid namespace: a container's root can forge anything.

Other processes of that same user can forge it. If it is not the agent's own user, they can fake
that the program runs or does not end, as the program itself can. More must not come of it: of such
a session only processes are ended that this user could have ended (Session.owner), and nothing of
it is written into the pid file, which is believed without these limits.

A program that changes its user, or cleans its environment, is found by nobody. A child that makes
a session of its own in the program's first 5 s can't be told from it: it is not taken for a
program that the pid file knows to be over, and a stop ends it as well.
"""

from __future__ import annotations

import os
import time

from agents.vm_anything import pidfile
from agents.vm_anything.session import Session
from pmkvm import settings
from pmkvm.process import has_setuid_executable, is_in_own_namespace, life_of, user_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life

VARIABLE = "VM_ANYTHING"
# Between the time in the mark and the fork there is next to nothing to do. A host without memory
# or processors to spare may take more than a second for it all the same.
_START_S = 5.0
# The mark is the program's first variable; anybody may make his environment as long as he likes.
_ENVIRONMENT_BYTES = 65536
_MOST_DIGITS = 20


def of_a_start(context: Context) -> str:
    """The variable's value for a program that is started now."""
    return f"{_now_ticks()} {pidfile.path(context)}"


def find(context: Context, over: Life | None = None) -> list[Session]:
    """The sessions of living programs that were started for this resource, the oldest first.

    over: a program that is known to have ended; what its start has left is no other program.
    """
    owner = _user(context.text("user"))
    if owner is None:
        return []
    path = os.fsencode(pidfile.path(context))
    pids = [int(entry) for entry in os.listdir(settings.PROC) if entry.isdigit()]
    lives = [_program(pid, owner, path, over) for pid in pids]
    found = sorted((life for life in lives if life), key=lambda life: life.start_time)
    return [Session(life, None if owner == os.geteuid() else owner) for life in found]


def note(context: Context, found: list[Session]) -> None:
    """Say in the log who was found, and write the pid file if that may be."""
    context.log.warning(f"found without its pid file: program {found[0].leader.pid}")
    if found[0].owner is None:
        pidfile.store(context, found[0].leader)


def _program(pid: int, owner: int, path: bytes, over: Life | None) -> Life | None:
    """The cheap looks first: most processes lead no session."""
    try:
        if os.getsid(pid) != pid or user_ids(pid) != (owner, owner, owner):
            return None
        life = life_of(pid)
        began = _began(pid, path)
        if began is None or not is_in_own_namespace(pid) or has_setuid_executable(pid):
            return None
    except OSError:
        # It has ended, or is not ours to look at.
        return None
    if not _is_start_of(life, began) or _is_start_of(over, began):
        return None
    # Looked at again behind the others: a pid that was reused in between shows.
    return life if life_of(pid) == life else None


def _is_start_of(life: Life | None, began: int) -> bool:
    if life is None:
        return False
    return 0 <= life.start_time - began <= _START_S * os.sysconf("SC_CLK_TCK")


def _began(pid: int, path: bytes) -> int | None:
    """When its start was, by its mark; None if it has none of this resource."""
    descriptor = os.open(f"{settings.PROC}/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    try:
        environment = os.read(descriptor, _ENVIRONMENT_BYTES)
    finally:
        os.close(descriptor)
    for entry in environment.split(b"\0"):
        variable, _, value = entry.partition(b"=")
        if variable == os.fsencode(VARIABLE):
            began, _, named = value.partition(b" ")
            is_ours = named == path and began.isdigit() and len(began) <= _MOST_DIGITS
            return int(began) if is_ours else None
    return None


def _user(name: str) -> int | None:
    if name == "root":
        return 0
    # Not on the way of a monitor of root's programs.
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _now_ticks() -> int:
    """As /proc/PID/stat has a process's start."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
