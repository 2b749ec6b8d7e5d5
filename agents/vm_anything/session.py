# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes of a program: those of its session, found in the process table.

The kernel gives the leader's pid to nobody while the session has a process, so the number is the
session's for as long as one lives. A process that makes a session of its own leaves for good.
"""

from __future__ import annotations

import os

from pmkvm import settings
from pmkvm.light_types import NamedTuple
from pmkvm.process import Life, Pidfd, is_alive, life_of, user_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence

    from pmkvm.deadline import Deadline

# The process table changes while it is read; it is read again as long as it does, so many times.
_LOOKS = 10


class Session(NamedTuple):
    """A session by its leader, dead or alive.

    owner: the user to whom alone it is credited; then only processes count that this user could
    have ended himself (kill(2)). None: it is the program's beyond doubt, and all count.
    """

    leader: Life
    owner: int | None = None


def members(session: Session) -> list[Life]:
    """The living processes of it, the leader first.

    Raises OSError if the process table can't be read.
    """
    leader = session.leader
    now = life_of(leader.pid)
    if now not in (None, leader):
        # Somebody else has the number, which was free only when our session was empty.
        return []
    lives: list[Life] = []
    for _look in range(_LOOKS):
        found = ([now] if now else []) + _listed(leader)
        lives = [life for life in found if is_alive(life) and _counts(life, session)]
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


def ask(lives: Sequence[Life], deadline: Deadline) -> None:
    """SIGTERM to each of these; returns when all of them have ended, or at the deadline."""
    import signal

    _signal(lives, signal.SIGTERM, deadline)


def kill(sessions: Sequence[Session], deadline: Deadline) -> list[Life]:
    """SIGKILL to all of them until nobody is left. Returns who survives the deadline.

    Looked for again after each round: what a process forked before it died is found then. By
    groups first: the kernel lets nobody of a group escape by forking.
    """
    import signal

    while True:
        lives = []
        for session in sessions:
            found = members(session)
            if session.owner is None:
                for life in found:
                    _kill_group(life, session.leader)
            lives += found
        if not lives:
            return []
        _signal(lives, signal.SIGKILL, deadline)
        if deadline.expired():
            return [life for session in sessions for life in members(session)]


def _kill_group(life: Life, leader: Life) -> None:
    """Of a process that is still a member, so that the group's number is its own."""
    import signal

    try:
        group = os.getpgid(life.pid)
        if _if_member(life.pid, leader) == life:
            os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _signal(lives: Sequence[Life], number: signal.Signals, deadline: Deadline) -> None:
    # All are signalled before one is waited for: they end at the same time.
    for life in lives:
        with Pidfd(life) as pidfd:
            pidfd.send(number)
    for life in lives:
        with Pidfd(life) as pidfd:
            pidfd.wait_dead(deadline.remaining())


def _counts(life: Life, session: Session) -> bool:
    """By kill(2): of the target's ids the real and the saved one are compared."""
    if session.owner is None:
        return True
    ids = user_ids(life.pid)
    return ids is not None and session.owner in (ids[0], ids[2])


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
