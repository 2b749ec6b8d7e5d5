# SPDX-License-Identifier: GPL-2.0-or-later
"""The running vm-client: asks the host again and again, and tells this guest's cluster.

Each question and each write is a call with a deadline. What goes wrong is tried again: a host that
is mute, or an attribute manager that does not answer, is no reason to end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_client.ledger import Ledger
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import attributes
from pmkvm.service.bucket import Quota
from pmkvm.service.teller import Teller
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.version import VERSION
from pmkvm.wire import client, host_attributes
from pmkvm.wire.printable import shown

if TYPE_CHECKING:
    from daemons.vm_client.ledger import Write
    from daemons.vm_client.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service
    from pmkvm.wire.host_attributes import Answer

log = logging.getLogger(__name__)

SERVICE = "monitor"
# vm-connectd sends a question to another host, or to another vm-managerd, as long as it is open.
ASK_S = 4.0
WRITE_S = 3.0
# After a question or a write that failed.
RETRY_S = 1.0
CALLS_AT_A_TIME = 4
# Of what a host says beyond the question.
MOST_SHOWN = 8


class Daemon:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._calls = ThreadCalls(CALLS_AT_A_TIME)
        self._began = self._round_at = time.monotonic()
        self._ledger = Ledger(options.names, options.host_timeout_s, self._began)
        self._quota = Quota(self._began)
        self._host = "not asked yet"
        self._cluster = "not told yet"

    async def start(self, service: Service, listener: Listener) -> None:
        service.supervise("the status", listener.run(partial(Teller, self._report)))
        service.supervise("the questions", self._run(service))

    async def _run(self, service: Service) -> None:
        is_ready = False
        while True:
            began = time.monotonic()
            is_well = await self._ask()
            is_well = await self._write() and is_well
            self._round_at = time.monotonic()
            if not is_ready:
                # Who is started behind us finds what the host has told, if it has.
                is_ready = True
                service.ready()
            rest_s = began + self._options.interval_s - self._round_at
            await asyncio.sleep(max(0.0, rest_s) if is_well else RETRY_S)

    async def _ask(self) -> bool:
        body = " ".join(self._options.names)
        work = partial(_ask, body, self._options)
        try:
            answer = await self._calls.call("asking the host", work, ASK_S + 1)
        except (HaError, OSError, MemoryError) as error:
            self._ledger.failed(time.monotonic())
            self._note_host(f"no answer: {reason_of(error)}")
            return False
        self._ledger.answered(answer.values, time.monotonic())
        self._note_host("answers")
        if answer.dropped:
            some = ", ".join(answer.dropped[:MOST_SHOWN])
            count = len(answer.dropped)
            self._complain(f"the host told what does not count, {count} in all: {some}")
        return True

    async def _write(self) -> bool:
        """All that is due, or up to the first that fails."""
        for write in self._ledger.due(time.monotonic()):
            what = f"telling the cluster of {write.name}"
            try:
                await self._calls.call(what, partial(self._tell, write), WRITE_S + 1)
            except (HaError, OSError, MemoryError) as error:
                self._note_cluster(f"{what} fails: {reason_of(error)}", logging.WARNING)
                return False
            if self._ledger.is_news(write):
                told = "not defined" if write.value is None else shown(write.value)
                log.info("attribute %s is %s", write.name, told)
            self._ledger.written(write, time.monotonic())
        self._note_cluster("told")
        return True

    def _tell(self, write: Write) -> None:
        deadline = Deadline(WRITE_S)
        if write.value is None:
            attributes.withdraw(write.name, deadline)
        else:
            delay = self._options.dampen
            attributes.publish_with_delay(write.name, write.value, delay, deadline)

    def _note_host(self, state: str) -> None:
        if state != self._host:
            self._complain(
                f"host: {state}", logging.INFO if state == "answers" else logging.WARNING
            )
        self._host = state

    def _note_cluster(self, state: str, level: int = logging.INFO) -> None:
        if state != self._cluster:
            log.log(level, "cluster: %s", state)
        self._cluster = state

    def _complain(self, text: str, level: int = logging.WARNING) -> None:
        """What the host causes, so many times."""
        told = self._quota.take(time.monotonic())
        if told is not None:
            log.log(level, "%s%s", text, told)

    def _report(self) -> str:
        now = time.monotonic()
        report = {
            "program": f"vm-client {VERSION}",
            "pid": os.getpid(),
            "up_seconds": round(now - self._began, 1),
            "asks_for": list(self._options.names),
            "interval_seconds": self._options.interval_s,
            "host": self._host,
            "host_is_mute": self._ledger.is_mute,
            "unanswered_seconds": round(self._ledger.unanswered_s(now), 1),
            "attributes": self._ledger.wanted,
            "cluster": self._cluster,
            "round_seconds_ago": round(now - self._round_at, 1),
            "hanging_calls": self._calls.hanging,
        }
        return f"{json.dumps(report)}\n"


def _ask(body: str, options: Options) -> Answer:
    """In a thread. Raises HaError."""
    said = client.ask(SERVICE, body, Deadline(ASK_S), path=options.connectd_socket)
    return host_attributes.decode(said, options.names)
