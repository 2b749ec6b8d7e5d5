# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes of a program: those of its session, found in the process table.

The kernel gives the leader's pid to nobody while the session has a process, so the number is the
session's for as long as one lives. A process that makes a session of its own leaves for good.
"""

from __future__ import annotations

import os
import signal

from pmkvm import settings
from pmkvm.process import Life, Pidfd, is_alive, life_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

# The process table changes while it is read; it is read again as long as it does, so many times.
_LOOKS = 10


def members(leader: Life) -> list[Life]:
    """The living processes of this life's session, the leader first.

    Raises OSError if the process table can't be read.
    """
    now = life_of(leader.pid)
    if now not in (None, leader):
        # Somebody else has the number, which was free only when our session was empty.
        return []
    lives: list[Life] = []
    for _look in range(_LOOKS):
        found = ([now] if now else []) + _listed(leader)
        lives = [life for life in found if is_alive(life)]
        # One that has ended since it was listed may have forked before: nobody is no result then.
        if lives or not found:
            break
    return lives


def _listed(leader: Life) -> list[Life]:
    """Who is listed as a member, apart from the leader; some may have ended."""
    found = []
    seen: set[int] = set()
    for _look in range(_LOOKS):
        new = {int(entry) for entry in os.listdir(settings.PROC) if entry.isdigit()} - seen
        if not new:
            break
        # The newest first: where each forks the next and ends, only that one is still there.
        for pid in sorted(new - {leader.pid}, reverse=True):
            life = _if_member(pid, leader)
            if life is not None:
                found.append(life)
        seen |= new
    return found


def is_member(pid: int, leader: Life) -> bool:
    """Whether the process that has this pid now is the leader or belongs to its session."""
    if pid == leader.pid:
        return life_of(pid) == leader
    return _if_member(pid, leader) is not None


def ask(lives: list[Life], deadline: Deadline) -> None:
    """SIGTERM to each of these; returns when all of them have ended, or at the deadline."""
    _signal(lives, signal.SIGTERM, deadline)


def kill(leader: Life, deadline: Deadline) -> list[Life]:
    """SIGKILL to the whole session until nobody is left. Returns who survives the deadline.

    Looked for again after each round: what a process forked before it died is found then. By
    groups first: the kernel lets nobody of a group escape by forking.
    """
    while True:
        lives = members(leader)
        if not lives:
            return []
        for life in lives:
            _kill_group(life, leader)
        _signal(lives, signal.SIGKILL, deadline)
        if deadline.expired():
            return members(leader)


def _kill_group(life: Life, leader: Life) -> None:
    """Of a process that is still a member, so that the group's number is its own."""
    try:
        group = os.getpgid(life.pid)
        if _if_member(life.pid, leader) == life:
            os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _signal(lives: list[Life], number: signal.Signals, deadline: Deadline) -> None:
    # All are signalled before one is waited for: they end at the same time.
    for life in lives:
        with Pidfd(life) as pidfd:
            pidfd.send(number)
    for life in lives:
        with Pidfd(life) as pidfd:
            pidfd.wait_dead(deadline.remaining())


def _if_member(pid: int, leader: Life) -> Life | None:
    if _session_of(pid) != leader.pid:
        return None
    life = life_of(pid)
    # Once more, behind the start time: a pid that was reused in between then shows.
    if life is None or life.start_time < leader.start_time or _session_of(pid) != leader.pid:
        return None
    return life


def _session_of(pid: int) -> int:
    """A call, not a file: many processes are looked at before one of them forks again."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
