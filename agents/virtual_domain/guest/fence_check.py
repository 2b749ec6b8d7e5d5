# SPDX-License-Identifier: GPL-2.0-or-later
"""A fence of this very resource, as an action meets it (doc/fencing-protocol.md, Agent under a
ban).

Under a ban the actions answer 0, with the guest dead or not started: an error would have the
host fenced or the guest barred from it. A pending stop on this host remembers that Pacemaker has
yet to stop the resource; where it could not be written the ban itself tells, while it stands.
"""

from __future__ import annotations

import signal
import time

from agents.virtual_domain.guest import domain_state
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, HaError, is_exhaustion
from pmkvm.fencing import ban as bans
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.thread_call import Call
from pmkvm.virt import qemu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.ocf.context import Context
    from pmkvm.process import Life

    T = TypeVar("T")

# How often a ban is looked for while an action waits, and how long a look may take then.
LOOK_S = 1.0
# From the sight of a fence to the answer: Pacemaker's next action is to find the guest dead.
_KILL_S = 1.0


class FencedError(HaError):
    """The resource is being fenced: the action ends, with 0."""

    def __init__(self, ban_id: str, *, kills: bool) -> None:
        super().__init__(f"being fenced under ban {ban_id}")
        self.ban_id = ban_id
        self.kills = kills


class Fence:
    """Looks for a ban or a pending stop that concerns this action; seen once, it stays seen."""

    def __init__(self, context: Context, known: PendingStop | None = None) -> None:
        """known is a pending stop that stood before, which says nothing about this action."""
        self._context = context
        self._known = known
        # A person calls without a node's name: then there are no bans.
        self._obeys = "on_node" in context.meta
        # Of the last look: the ban and the resource, where the CIB has them.
        self._answer = ""

    def fact(self, name: str) -> str | None:
        """What the CIB had of the resource at the last look for a ban, as resource_meta.find().
        Raises BadAnswerError."""
        from pmkvm.pacemaker import resource_meta

        return resource_meta.find(self._answer, name)

    def require_no_ban(self, deadline: Deadline) -> None:
        """Raises FencedError, and DeadlineError if the CIB can't be read: then nothing starts."""
        while self._obeys:
            try:
                self._raise_if_banned(deadline)
                return
            except (HaError, OSError) as error:
                if isinstance(error, FencedError):
                    raise
                if deadline.less(LOOK_S).expired():
                    text = f"out of time while reading the local CIB, which may hold a ban: {error}"
                    raise DeadlineError(text) from error
                deadline.pause(LOOK_S)

    def look(self) -> None:
        """One quick look, which never waits for the CIB. Raises FencedError."""
        pending_stop = pending_stops.load(self._context.instance)
        # One that nobody has touched for long is void: nobody is left to settle it.
        is_new = pending_stop is not None and not _is_same(pending_stop, self._known)
        if pending_stop is not None and is_new and not pending_stop.is_void([], time.monotonic()):
            raise FencedError(pending_stop.ban_id, kills=False)
        self.look_for_ban()

    def look_for_ban(self) -> None:
        """As look(), with no regard to pending stops."""
        if not self._obeys:
            return
        try:
            self._raise_if_banned(self._context.deadline.at_most(LOOK_S))
        except FencedError:
            raise
        except (HaError, OSError) as error:
            self._context.log.debug(f"no look at the CIB: {error}")

    def during(
        self,
        deadline: Deadline,
        what: str,
        function: Callable[[], T],
        meanwhile: Callable[[], bool] = lambda: False,
    ) -> T:
        """As call_in_thread(), with a look each second and one when the call fails.

        meanwhile is called each second, too, and says whether the deadline is that of the whole
        action from now on. Raises FencedError.
        """
        call = Call(what, function)
        while not call.is_done(deadline.at_most(LOOK_S)):
            try:
                is_whole = self._look_beside(meanwhile)
            except FencedError:
                call.abandon()
                raise
            if is_whole:
                deadline = self._context.deadline.less(LOOK_S)
            if deadline.expired():
                raise call.abandon()
        try:
            return call.result()  # type: ignore[return-value]
        except FencedError:
            raise
        except HaError:
            self.look()
            raise

    def _look_beside(self, meanwhile: Callable[[], bool]) -> bool:
        """Without memory for it the call goes on, and in a second there is another look."""
        try:
            self.look()
            return meanwhile()
        except (OSError, MemoryError) as error:
            if not is_exhaustion(error):
                raise
            return False

    def is_wanted_dead(self, life: Life) -> bool:
        """Whether a stop of this life is to lose no time. Never waits for the CIB."""
        pending_stop = pending_stops.load(self._context.instance)
        if pending_stop is not None and pending_stop.is_for(life):
            return True
        try:
            self.look_for_ban()
        except FencedError:
            return True
        return False

    def may_be_banned(self, deadline: Deadline) -> bool:
        """Whether a ban stands, or a CIB that can't be read may hold one."""
        try:
            self.require_no_ban(deadline)
        except (FencedError, DeadlineError) as error:
            self._context.log.warning(str(error))
            return True
        return False

    def still_stands(self) -> bool:
        """Whether a ban may be there a moment later: that one was on its way out."""
        self._context.deadline.pause(LOOK_S)
        return self.may_be_banned(self._context.deadline.at_most(LOOK_S))

    def settle(self, subject: Subject, fenced: FencedError, *, always_kill: bool = False) -> bool:
        """The end of an action under a ban: the guest dead, and the pending stop written; whether
        it is.

        A ban that only settles a pending stop kills nothing, but what the action itself was
        starting.
        """
        resource, lives = self._context.instance, domain_state.own_living(subject)
        killed = lives if fenced.kills or always_kill else []
        deadline = Deadline(_KILL_S)
        for life in killed:
            qemu.kill(life, signal.SIGKILL, deadline)
        self._context.log.warning(f"{subject.identity.name}: {fenced}")
        pending_stop = pending_stops.load(resource)
        if pending_stop is not None and pending_stop.ban_id == fenced.ban_id:
            return True
        over = killed[0] if killed else None
        return self._owe(PendingStop(fenced.ban_id, subject.identity.uuid, over, time.monotonic()))

    def _owe(self, pending_stop: PendingStop) -> bool:
        try:
            pending_stops.store(self._context.instance, pending_stop)
        except OSError as error:
            self._context.log.warning(
                f"the pending stop of ban {pending_stop.ban_id} can't be written: {error}"
            )
            return False
        return True

    def _raise_if_banned(self, deadline: Deadline) -> None:
        resource = self._context.instance
        self._answer = _read(resource, deadline)
        ban = bans.find(self._answer, resource)
        if ban is not None and ban.is_live(time.time()):
            raise FencedError(ban.id, kills=ban.operation != bans.SETTLE)


def _read(resource: str, deadline: Deadline) -> str:
    """The ban and the resource in this host's CIB, in one question. Raises HaError."""
    # It starts programs: too much for an action that finds its guest dead.
    from pmkvm.pacemaker import cib, resource_meta

    return cib.query_local(f"{bans.xpath(resource)}|{resource_meta.xpath(resource)}", deadline)


def _is_same(pending_stop: PendingStop, known: PendingStop | None) -> bool:
    """Its stamp apart, which vm-stonithd renews."""
    return known is not None and pending_stop._replace(stamp=known.stamp) == known
