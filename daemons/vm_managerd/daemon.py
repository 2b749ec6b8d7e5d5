# SPDX-License-Identifier: GPL-2.0-or-later
"""The running vm-managerd: the rules, a desk for guests' questions, and its own attribute."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.vm_managerd.desk import Desk
from daemons.vm_managerd.host_node import HostNode
from daemons.vm_managerd.own_attribute import OwnAttribute
from pmkvm.service.teller import Teller
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.version import VERSION
from pmkvm.wire.registration import Registration

if TYPE_CHECKING:
    from daemons.vm_managerd.own_attribute import Pair
    from daemons.vm_managerd.rules import Rules
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service
    from pmkvm.wire.message import Forwarded

SERVICE = "monitor"
CALLS_AT_A_TIME = 4


class Daemon:
    def __init__(self, rules: Rules, pair: Pair | None, connectd_socket: str) -> None:
        self._rules = rules
        self._pair = pair
        self._calls = ThreadCalls(CALLS_AT_A_TIME)
        self._node = HostNode(self._calls)
        self._desk = Desk(rules, self._node.attributes, self._reply)
        self._registration = Registration(
            SERVICE, self._desk.requested, program="vm-managerd", path=connectd_socket
        )
        self._own: OwnAttribute | None = None
        self._began = time.monotonic()

    async def start(self, service: Service, listener: Listener) -> None:
        service.supervise("the status", listener.run(partial(Teller, self._report)))
        service.supervise("the answers", self._desk.run())
        service.supervise("the requests", self._registration.run())
        if self._pair is not None:
            self._own = OwnAttribute(self._pair, self._calls, lambda: service.is_beginning_anew)
            service.supervise("the attribute", self._own.run())
        # The cluster may be starting, and wait for us.
        service.ready()

    def _reply(self, request: Forwarded, body: str) -> None:
        self._registration.reply(request, body)

    def _report(self) -> str:
        report = {
            "program": f"vm-managerd {VERSION}",
            "pid": os.getpid(),
            "host": self._node.name,
            "up_seconds": round(time.monotonic() - self._began, 1),
            "problems": [
                each for each in (self._registration.reason, self._calls.complaint) if each
            ],
            "is_registered": self._registration.is_registered,
            "guests_may_see": list(self._rules.names),
            "attributes": self._desk.state,
            "own_attribute": None if self._own is None else self._own.state,
            "answered": self._desk.answered,
            "refused": self._desk.refused,
            "waiting": self._desk.waiting,
            "hanging_calls": self._calls.hanging,
        }
        return f"{json.dumps(report)}\n"
