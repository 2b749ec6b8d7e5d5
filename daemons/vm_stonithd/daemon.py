# SPDX-License-Identifier: GPL-2.0-or-later
"""The running vm-stonithd: the machine, its eyes, its hands, and the clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_stonithd.cluster.cib_watcher import CibWatcher
from daemons.vm_stonithd.cluster.report_exchange import ReportExchange
from daemons.vm_stonithd.executor import Executor
from daemons.vm_stonithd.host import qemu_processes
from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.intake.channels import Channels
from daemons.vm_stonithd.intake.desk import AT_A_TIME as READ_AT_A_TIME
from daemons.vm_stonithd.intake.desk import Desk
from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.model import rest
from daemons.vm_stonithd.model.events import Arrived, KeysSeen, Terminated, Tick
from daemons.vm_stonithd.model.pace import NOTHING, TICK_S, tick_s
from daemons.vm_stonithd.presence import Presence
from pmkvm import run
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker import resource
from pmkvm.service.teller import Teller
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.version import VERSION

if TYPE_CHECKING:
    from daemons.vm_stonithd.intake.token_readers import Readers
    from daemons.vm_stonithd.model.events import Event
    from daemons.vm_stonithd.model.facts import Request
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service
    from pmkvm.tokens.key_report import KeyReport

log = logging.getLogger(__name__)

ABANDONED_S = 1.0
KEYS_S = 1.0
NAME_S = 5.0
# Questions of guests are answered together: who asks without end costs no more than that.
QUESTIONS_S = 0.25
AT_A_TIME = 8


class Daemon:
    def __init__(self, tokens: Readers, connectd_socket: str) -> None:
        self._tokens = tokens
        self._told: tuple[KeyReport, ...] | None = None
        self._calls, report_calls, presence_calls, requests = (
            ThreadCalls(AT_A_TIME),
            ThreadCalls(AT_A_TIME),
            ThreadCalls(AT_A_TIME),
            ThreadCalls(READ_AT_A_TIME),
        )
        self._watch = CibWatcher(self._calls, self._tell, self._quiet_s, self._is_idle)
        self._exchange = ReportExchange(report_calls, self._tell, self._quiet_s, self._may_rest)
        self._presence = Presence(presence_calls)
        domain_uuids = DomainUuids(self._watch.configs)
        self._desk = Desk(tokens, self._watch, domain_uuids, requests, self._tell)
        self._registration = self._desk.register(connectd_socket)
        self._channels = Channels(self._calls, connectd_socket)
        whole = (self._watch, domain_uuids, self._exchange, self._desk)
        self._executor = Executor(*whole, self._tell, self._failed)
        whole_calls = (self._calls, report_calls, presence_calls, requests)
        self._every = (*whole_calls, *self._executor.hanging_kinds.values())
        self._machine: Machine | None = None
        self._service: Service | None = None
        self._host = ""
        self._state = "asking for this host's name"
        self._looked_at = float("-inf")
        # As it was at the last step; the end of the rest sets the event.
        self._was_idle = self._rests = False
        self._work = asyncio.Event()
        self._look: asyncio.TimerHandle | None = None
        self._began = time.monotonic()

    async def start(self, service: Service, listener: Listener) -> None:
        self._service = service
        # Nothing waits for it: a host fences without its status.
        service.supervise("the status", listener.run(partial(Teller, self._report)))
        # The cluster may be starting, and wait for us.
        service.ready()
        for complaint in self._tokens.complaints:
            log.error("%s", complaint)
        if not self._tokens.can_read:
            log.error("every request is refused")
        if self._tokens.takes_old:
            log.warning("tokens of 2011 are taken (-c): whoever has one may use it, for ever")
        self._host = await self._name()
        self._machine = Machine(self._host, partial(secrets.token_hex, 8), time.monotonic())
        self._state = "running"
        service.supervise("the executor", self._executor.run())
        service.supervise("the watch on the cluster", self._watch.run())
        service.supervise("the words", self._exchange.run())
        service.supervise("the presence", self._presence.run())
        service.supervise("the clock", self._tick())
        service.supervise("the look for abandoned creates", self._abandoned_creates())
        service.supervise("the look at the keys", self._keys())
        service.supervise("the look at the channels", self._channels.run())
        # What a guest asks for is read by what the cluster has.
        while self._watch.seen is None:
            await asyncio.sleep(TICK_S)
        service.supervise("the requests", self._registration.run())

    async def _name(self) -> str:
        while True:
            try:
                return await self._calls.call(
                    "asking for this host's name",
                    lambda: resource.local_node(Deadline(NAME_S)),
                    NAME_S,
                )
            except (HaError, OSError) as error:
                if str(error) != self._state:
                    log.warning("this host's name in the cluster is not known: %s", error)
                self._state = str(error)
            await asyncio.sleep(1.0)

    def _tell(self, event: Event) -> None:
        if self._machine is None:
            return
        try:
            self._executor.add(self._machine.step(event, time.monotonic(), time.time()))
        except Exception:
            self._machine = None
            self._failed()
            log.exception("the machine failed at %s", type(event).__name__)
        # An open request ends neither rest: nothing is read of the cluster for one that is refused.
        was_idle, self._was_idle = self._was_idle, self._machine is None or self._machine.is_idle
        if was_idle and not self._was_idle:
            self._watch.nudge()
        rested, self._rests = self._rests, self._may_rest()
        if rested and not self._rests:
            # Nobody looks at the clock, or hears the others, for seconds otherwise.
            self._work.set()
            self._exchange.ask()
        if isinstance(event, Arrived) and not event.request.refusal:
            self._hurry(event.request)

    def _hurry(self, request: Request) -> None:
        """Read what it waits for."""
        if request.operation.is_fence:
            # Nothing is done before the other hosts have been heard.
            self._exchange.ask()
            self._watch.nudge()
        elif self._look is None:
            wait_s = max(0.0, self._looked_at + QUESTIONS_S - time.monotonic())
            self._look = asyncio.get_running_loop().call_later(wait_s, self._look_for_questions)

    def _look_for_questions(self) -> None:
        self._look, self._looked_at = None, time.monotonic()
        self._watch.nudge()

    def _failed(self) -> None:
        """Bans stand; the next one of us begins with what the cluster and attrd remember."""
        if self._service is not None:
            self._service.stop("an error of ours", rc=1)

    def _quiet_s(self) -> float:
        machine = self._machine
        return NOTHING if machine is None else machine.quiet_s(time.monotonic())

    def _is_idle(self) -> bool:
        machine = self._machine
        return not self._desk.open and (machine is None or machine.is_idle)

    def _may_rest(self) -> bool:
        machine = self._machine
        return machine is not None and machine.may_rest

    async def _tick(self) -> None:
        try:
            while True:
                wait_s = rest.TICK_S if self._may_rest() else tick_s(self._quiet_s())
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._work.wait(), wait_s)
                self._work.clear()
                self._tell(Tick())
        finally:
            self._tell(Terminated())
            log.info("terminated: bans stand, requests stay with vm-connectd")

    async def _abandoned_creates(self) -> None:
        while True:
            await asyncio.sleep(ABANDONED_S)
            seen = self._watch.seen
            if seen is None:
                continue
            work = partial(qemu_processes.kill_abandoned_creates, tuple(seen.configs))
            try:
                await self._calls.call("looking for abandoned creates", work, NAME_S)
            except (HaError, OSError) as error:
                log.warning("no look for abandoned creates: %s", error)

    async def _keys(self) -> None:
        while True:
            reports = self._tokens.keys.reports
            if reports != self._told:
                self._told = reports
                self._tell(KeysSeen(reports))
            await asyncio.sleep(KEYS_S)
            try:
                await self._calls.call("looking at the keys", self._tokens.keys.look, NAME_S)
            except (HaError, OSError) as error:
                log.warning("no look at the keys: %s", error)

    def _report(self) -> str:
        seen = self._watch.seen
        bans = {} if seen is None else seen.view.bans
        problems = [*self._tokens.complaints, self._registration.reason]
        problems += [*self._executor.pending_stop_files.troubles, *self._channels.complaints]
        problems += [calls.complaint for calls in self._every]
        problems += [self._executor.record_file.trouble]
        problems += [f"{each}: its storage hangs" for each in qemu_processes.DEFINITIONS.hanging]
        report = {
            "program": f"vm-stonithd {VERSION}",
            "pid": os.getpid(),
            "host": self._host,
            "up_seconds": round(time.monotonic() - self._began, 1),
            "state": self._state,
            "problems": [each for each in problems if each],
            "reads_tokens": self._tokens.can_read,
            "keys": [each.id for each in self._tokens.keys.reports],
            "is_registered": self._registration.is_registered,
            "cluster": self._watch.state,
            "reports": self._exchange.state,
            "presence": self._presence.state,
            "advice": [] if seen is None else seen.warnings,
            "members": [] if seen is None else sorted(seen.view.members),
            "targets": [] if seen is None else sorted(seen.view.resources),
            "bans": [each._asdict() for each in bans.values()],
            "requests": [
                {"from": each.sender.resource, "operation": each.body.partition(" ")[0][:16]}
                for each in self._desk.open.values()
            ],
            "programs_run": run.started(),
            "hanging_calls": [what for calls in self._every for what in calls.hanging],
        }
        return f"{json.dumps(report)}\n"
