# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries the machine's actions out, in the order given. None of them ends without its event."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_stonithd.cluster import cib_writes, queries
from daemons.vm_stonithd.cluster.cib_writes import CreateBans, WriteEnd
from daemons.vm_stonithd.host import qemu_processes
from daemons.vm_stonithd.host.pending_stop_files import CHANGES, PendingStopFiles
from daemons.vm_stonithd.host.record_file import RecordFile
from daemons.vm_stonithd.host.shared_look import SharedLook
from daemons.vm_stonithd.machine.outbox import Outbox
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Outcome
from pmkvm.deadline import Deadline
from pmkvm.errors import ExhaustedError, HaError
from pmkvm.service.thread_calls import ThreadCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from daemons.vm_stonithd.cluster.cib_watcher import CibWatcher
    from daemons.vm_stonithd.cluster.report_exchange import ReportExchange
    from daemons.vm_stonithd.host.domain_uuids import DomainUuids
    from daemons.vm_stonithd.host.pending_stop_files import Change
    from daemons.vm_stonithd.intake.desk import Desk
    from daemons.vm_stonithd.model.actions import Action
    from daemons.vm_stonithd.model.events import Event

log = logging.getLogger(__name__)

KILL_S = 5.0
LOOK_S = 5.0
FILES_S = 5.0
# After a look or a kill that failed.
AGAIN_S = 0.5
# How long the end of a ban waits for attrd.
REPORTS_S, POLL_S = 4.0, 0.01
AT_A_TIME = 32


class Executor:
    """What waits for somebody else runs in a task of its own, each kind with threads of its own:
    a CIB manager or an attrd that hangs keeps nobody from killing."""

    def __init__(
        self,
        watch: CibWatcher,
        domain_uuids: DomainUuids,
        exchange: ReportExchange,
        desk: Desk,
        tell: Callable[[Event], None],
        fail: Callable[[], None],
    ) -> None:
        self.hanging_kinds = {kind: ThreadCalls(AT_A_TIME) for kind in ("write", "look", "files")}
        self.record_file = RecordFile()
        self._watch, self._exchange, self._desk = watch, exchange, desk
        self.pending_stop_files = PendingStopFiles()
        self._domain_uuids = domain_uuids
        self._table = qemu_processes.ProcessTable()
        self._bans: SharedLook[str] = SharedLook()
        self._tell = tell
        self._fail = fail
        self._queue: asyncio.Queue[Action | CreateBans] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox = Outbox()
        self._news = asyncio.Event()

    def add(self, wanted: list[Action]) -> None:
        for each in cib_writes.together(wanted):
            self._queue.put_nowait(each)

    async def run(self) -> None:
        await asyncio.gather(self._obey(), self._speak(), self.record_file.run())

    async def _obey(self) -> None:
        while True:
            await self._carry_out(await self._queue.get())

    async def _carry_out(self, action: Action | CreateBans) -> None:
        if isinstance(action, actions.Say):
            self._outbox.say(action.report)
            self._news.set()
        elif isinstance(action, actions.Answer):
            self._hold(action)
        elif isinstance(action, actions.Forget):
            self._desk.forget(action.number)
        elif isinstance(action, (actions.Log, actions.WriteRecord)):
            self._note(action)
        elif isinstance(action, actions.ReadCib):
            self._watch.ask(action.ticket)
        elif isinstance(action, CHANGES):
            await self._change_pending_stop(action)
        elif isinstance(action, actions.RemoveBan):
            self._begin(self._remove(action, self._outbox.number))
        else:
            self._begin(self._work(action))

    def _note(self, action: actions.Log | actions.WriteRecord) -> None:
        if isinstance(action, actions.WriteRecord):
            self.record_file.add(action.record)
        else:
            log.log(logging.ERROR if action.is_error else logging.INFO, "%s", action.text)

    def _work(self, action: Action | CreateBans) -> Coroutine[Any, Any, None]:
        if isinstance(action, actions.Look):
            return self._look(action)
        if isinstance(action, actions.Kill):
            return self._kill(action)
        if isinstance(action, actions.KillHelpers):
            return self._kill_helpers(action)
        if isinstance(action, actions.ReadPendingStops):
            return self._read_pending_stops(action)
        if isinstance(action, CreateBans):
            tickets = [each.ticket for each in action.wanted]
            return self._order(tickets, partial(cib_writes.create, action))
        if isinstance(action, cib_writes.WRITES):
            return self._write(action)
        raise TypeError(f"nobody knows how to carry out {action!r}")

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """One that failed has told nothing, and the machine would wait for it for ever."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail()
            log.error("an action failed", exc_info=error)

    # --- in order

    async def _speak(self) -> None:
        """The newest words, which say all that older ones did."""
        while True:
            await self._news.wait()
            self._news.clear()
            number, report = self._outbox.number, self._outbox.report
            if report is not None and await self._exchange.say(report):
                self._outbox.take(number)
                self._release()

    def _hold(self, answer: actions.Answer) -> None:
        self._outbox.hold(answer)
        self._release()
        if self._outbox.held:
            asyncio.get_running_loop().call_at(answer.by, self._release)

    def _release(self) -> None:
        for answer in self._outbox.due(time.monotonic()):
            self._desk.answer(answer.number, answer.text)

    async def _change_pending_stop(self, action: Change) -> None:
        try:
            work = partial(self.pending_stop_files.change, action)
            await self.hanging_kinds["files"].call("writing a pending stop", work, FILES_S)
        except (HaError, OSError) as error:
            log.error("%s: the pending stop can't be changed: %s", action.resource, error)
            if isinstance(action, actions.WritePendingStop):
                self.pending_stop_files.keep(action.resource, action.pending_stop, str(error))

    # --- beside each other

    async def _look(self, action: actions.Look) -> None:
        work = partial(self._look_here, action)
        try:
            found = await self.hanging_kinds["look"].call("looking for a QEMU", work, LOOK_S)
        except (HaError, OSError) as error:
            log.error("%s: can't be looked for: %s", action.resource, error)
            await asyncio.sleep(AGAIN_S)
            # Not seen is not gone: as if a start were under way.
            found = qemu_processes.Sighting((), is_locked=True)
        self._tell(events.Looked(action.ticket, *found))

    def _look_here(self, action: actions.Look) -> qemu_processes.Sighting:
        """In a thread. A definition that can't be told is one witness less: it protects nobody."""
        try:
            config = self._domain_uuids.path(action.resource)
        except ExhaustedError:
            raise
        except HaError as error:
            log.warning("%s: one witness less: %s", action.resource, error)
            config = ""
        return qemu_processes.look(self._table, action.resource, action.uuid, config)

    async def _kill(self, action: actions.Kill) -> None:
        ban, pids = action.ban, ", ".join(str(life.pid) for life in action.lives)
        work = partial(qemu_processes.kill, action, self._read_bans, self.pending_stop_files.owe)
        try:
            is_done = await self.hanging_kinds["look"].call("killing a QEMU", work, KILL_S + 1)
            text = f"killed QEMU {pids}" if is_done else "nothing killed: the ban has gone"
            again_s = 0.0
        except (HaError, OSError) as error:
            text, again_s = f"QEMU {pids} is not killed: {error}", AGAIN_S
        log.info(
            "%s %s %s %s: %s (ban %s of %s)",
            *(
                ban.request,
                ban.requester,
                ban.operation,
                ban.resource,
                text,
                ban.id,
                ban.coordinator,
            ),
        )
        await asyncio.sleep(again_s)
        self._tell(events.Killed(action.ticket))

    def _read_bans(self) -> str:
        """In a thread: as they are from the call on."""
        return self._bans.ask(partial(queries.bans_text, Deadline(KILL_S)))

    async def _kill_helpers(self, action: actions.KillHelpers) -> None:
        resource = action.ban.resource
        work = partial(qemu_processes.kill_helpers, action, self._read_bans)
        try:
            killed = await self.hanging_kinds["look"].call("killing helpers", work, KILL_S + 1)
        except (HaError, OSError) as error:
            log.error("%s: the helpers of its QEMU are not killed: %s", resource, error)
            return
        pids = ", ".join(str(life.pid) for life in killed) or "none found"
        log.warning("%s: QEMU does not die; its helpers killed: %s", resource, pids)

    async def _read_pending_stops(self, action: actions.ReadPendingStops) -> None:
        try:
            files = self.hanging_kinds["files"]
            found = await files.call("reading pending stops", self.pending_stop_files.read, FILES_S)
        except (HaError, OSError) as error:
            log.error("this host's pending stops can't be read: %s", error)
            return
        self._tell(events.PendingStopsSeen(action.ticket, found))

    async def _remove(self, action: actions.RemoveBan, number: int) -> None:
        """After the words before it, so that whoever sees the ban gone hears what became of it;
        but an attrd that hangs keeps nobody stopped."""
        deadline = Deadline(REPORTS_S)
        while not self._outbox.is_taken(number) and not deadline.expired():
            await asyncio.sleep(POLL_S)
        await self._write(action)

    async def _write(self, action: cib_writes.Write) -> None:
        await self._order([action.ticket], lambda: {action.ticket: cib_writes.carry_out(action)})

    async def _order(self, tickets: list[int], work: Callable[[], dict[int, WriteEnd]]) -> None:
        try:
            told = await self.hanging_kinds["write"].call("writing", work, cib_writes.WRITE_S + 1)
        except (HaError, OSError) as error:
            told = dict.fromkeys(tickets, WriteEnd(Outcome.TIMED_OUT, str(error)))
        for ticket, done in told.items():
            if done.reason:
                log.info("writing: %s: %s", done.outcome.value, done.reason)
            self._tell(events.Written(ticket, done.outcome))
