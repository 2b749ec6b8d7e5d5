# SPDX-License-Identifier: GPL-2.0-or-later
"""The running diskd: a watch for each disk, the attribute, and what --status says of them."""

from __future__ import annotations

import json
import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from daemons.diskd import verdict
from daemons.diskd.attribute import Attribute
from daemons.diskd.prober import Prober
from daemons.diskd.watch import Watch
from pmkvm.service.teller import Teller
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.version import VERSION

if TYPE_CHECKING:
    from typing import Any

    from daemons.diskd.options import Options
    from daemons.diskd.verdict import Finding
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service

log = logging.getLogger(__name__)

# attrd_updater, and one more for one that hangs.
TELLS_AT_A_TIME = 2


class Daemon:
    def __init__(self, chosen: Options) -> None:
        self._pace = chosen.pace
        self._starts = ThreadCalls(len(chosen.targets))
        self._watches = [
            Watch(Prober(target, chosen.pace.timeout_s, self._starts), chosen.pace, self._change)
            for target in chosen.targets
        ]
        tells = ThreadCalls(TELLS_AT_A_TIME)
        self._attribute = Attribute(chosen.attribute, chosen.dampen, self._value, tells)
        self._said: str | None = None
        self._began = time.monotonic()

    async def start(self, service: Service, listener: Listener) -> None:
        service.supervise("the status", listener.run(partial(Teller, self._report)))
        for each in self._watches:
            service.supervise(f"the checks of {each.finding.path}", each.run())
        service.supervise("the attribute", self._attribute.run(service.ready))

    @property
    def _findings(self) -> list[Finding]:
        return [each.finding for each in self._watches]

    def _value(self) -> str | None:
        return verdict.value(self._findings)

    def _change(self) -> None:
        value = self._value()
        if value is not None and value != self._said:
            log.info("%s is %s", self._attribute.name, value)
            self._said = value
        self._attribute.change()

    def _report(self) -> str:
        now = time.monotonic()
        failures = [*verdict.overdue(self._findings, self._pace, now), self._attribute.complaint]
        report = {
            "program": f"diskd {VERSION}",
            "pid": os.getpid(),
            "up_seconds": round(now - self._began, 1),
            "attribute": self._attribute.name,
            "value": self._attribute.told,
            "reasons": verdict.reasons(self._findings),
            # What a monitor fails for.
            "failures": [each for each in failures if each],
            "disks": [_of(each, now) for each in self._watches],
        }
        return f"{json.dumps(report)}\n"


def _of(watch: Watch, now: float) -> dict[str, Any]:
    finding, hanging = watch.finding, watch.prober.hanging
    return {
        "path": finding.path,
        "is_good": finding.is_good,
        "reason": finding.reason,
        "seconds_ago": round(now - finding.at, 1),
        "weakness": watch.weakness,
        "hanging_process": None if hanging is None else hanging.pid,
    }
