# SPDX-License-Identifier: GPL-2.0-or-later
"""The running ifcheckd: it looks at corosync, tells attrd, and says by --status what it has."""

from __future__ import annotations

import asyncio
import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.ifcheckd.board import Board
from daemons.ifcheckd.watch import Watch
from pmkvm.service.teller import Teller
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.version import VERSION

if TYPE_CHECKING:
    from daemons.ifcheckd.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service

AT_A_TIME = 4
# Who starts it waits for the first attributes, but not for a corosync that does not answer.
FIRST_S = 10.0


class Daemon:
    def __init__(self, chosen: Options) -> None:
        self._calls = ThreadCalls(AT_A_TIME)
        self._watch = Watch(chosen.total, chosen.interval_s, self._calls)
        self._board = Board(chosen.dampen, self._calls)
        self._interval_s = chosen.interval_s
        self._began = time.monotonic()
        self._service: Service | None = None
        self._is_ready = False

    async def start(self, service: Service, listener: Listener) -> None:
        self._service = service
        service.supervise("the status", listener.run(partial(Teller, self._report)))
        service.supervise("the watch on corosync", self._run())
        await asyncio.sleep(FIRST_S)
        self._ready()

    async def _run(self) -> None:
        try:
            while True:
                began = time.monotonic()
                await self._watch.look()
                wanted = self._watch.attributes
                if await self._board.show(wanted) and wanted:
                    self._ready()
                await asyncio.sleep(max(0.1, began + self._interval_s - time.monotonic()))
        finally:
            if self._service is None or not self._service.is_beginning_anew:
                await self._board.clear()

    def _ready(self) -> None:
        if not self._is_ready and self._service is not None:
            self._is_ready = True
            self._service.ready()

    def _report(self) -> str:
        problems = [self._watch.trouble, self._board.trouble, self._calls.complaint]
        report = {
            "program": f"ifcheckd {VERSION}",
            "pid": os.getpid(),
            "up_seconds": round(time.monotonic() - self._began, 1),
            "problems": [each for each in problems if each],
            "attributes": self._board.told,
            "hanging_calls": self._calls.hanging,
        }
        return f"{json.dumps(report)}\n"
