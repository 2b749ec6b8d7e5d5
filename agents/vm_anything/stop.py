# SPDX-License-Identifier: GPL-2.0-or-later
"""Stop: ask the program, then who is left of its session, then kill; 0 when all are dead."""

from __future__ import annotations

from agents.vm_anything import mark, pidfile, session
from agents.vm_anything.session import Session
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.process import is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life

# As in 2011: of the operation's timeout, and without one.
_TERM_SHARE = 2 / 3
_TERM_S = 10.0
# Kept back for SIGKILL, and at most a quarter of what is left.
_KILL_S = 2.0
# Left at the end to say who survived, and at most a quarter of what is left.
_RESERVE_S = 0.3


def stop(context: Context) -> OcfCode:
    """Idempotent. Success means that no process of the program's session lives.

    Whoever has the resource's mark is ended too, be the pid file there or not.
    """
    record = pidfile.load(context)
    found = mark.find(context)
    if record.doubt is not None and not found:
        raise record.doubt
    sessions = [] if record.life is None else [Session(record.life)]
    sessions += [each for each in found if each.leader != record.life]
    if sessions:
        _end(context, sessions)
    pidfile.forget(context)
    return OcfCode.SUCCESS


def _end(context: Context, sessions: list[Session]) -> None:
    if not _members(sessions):
        return
    patience = context.deadline.less(min(_KILL_S, context.deadline.remaining() / 4))
    patience = patience.at_most(_patience_s(context))
    session.ask([one.leader for one in sessions if is_alive(one.leader)], patience)
    # A daemon's workers as a rule end with it; those that do not are asked as well.
    session.ask(_members(sessions), patience)
    lives = _members(sessions)
    if lives:
        pids = " ".join(str(one.pid) for one in lives)
        context.log.warning(f"SIGKILL to what outlived SIGTERM: {pids}")
        reserve_s = min(_RESERVE_S, context.deadline.remaining() / 4)
        lives = session.kill(sessions, context.deadline.less(reserve_s))
    if lives:
        raise OcfError(OcfCode.GENERIC, f"process {lives[0].pid} survives SIGKILL")


def _members(sessions: list[Session]) -> list[Life]:
    return [life for one in sessions for life in session.members(one)]


def _patience_s(context: Context) -> float:
    seconds = context.number("stop_timeout")
    if seconds > 0:
        return seconds
    return context.timeout_s * _TERM_SHARE or _TERM_S
