# SPDX-License-Identifier: GPL-2.0-or-later
"""The attribute that is there while vm-managerd runs (-n and -v), such as operator_check_status.

It is set where it is not defined: a value that an operator has given it, such as ERROR, stays.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import attributes, resource

if TYPE_CHECKING:
    from typing import Callable

    from pmkvm.service.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

# attrd may have lost it.
LOOK_AGAIN_S = 30.0
RETRY_S = 1.0
TOOLS_S = 3.0


class Pair(NamedTuple):
    name: str
    value: str


class OwnAttribute:
    """state: what became of the last attempt. has_to_stay says at the end of run() whether another
    vm-managerd follows at once."""

    def __init__(self, pair: Pair, calls: ThreadCalls, has_to_stay: Callable[[], bool]) -> None:
        self.state = "not set yet"
        self._pair = pair
        self._calls = calls
        self._has_to_stay = has_to_stay

    async def run(self) -> None:
        """Until cancelled; the attribute is deleted then."""
        try:
            while True:
                is_set = await self._try("setting", partial(_set, self._pair))
                await asyncio.sleep(LOOK_AGAIN_S if is_set else RETRY_S)
        finally:
            if not self._has_to_stay():
                await self._try("deleting", partial(_delete, self._pair))

    async def _try(self, doing: str, work: Callable[[], None]) -> bool:
        what = f"{doing} {self._pair.name}"
        try:
            await self._calls.call(what, work, TOOLS_S + 1)
        except (HaError, OSError, MemoryError) as error:
            self._note(f"{what} fails: {reason_of(error)}", logging.WARNING)
            return False
        self._note(f"{what}: done")
        return True

    def _note(self, state: str, level: int = logging.INFO) -> None:
        if state != self.state:
            log.log(level, "%s", state)
        self.state = state


def _set(pair: Pair) -> None:
    deadline = Deadline(TOOLS_S)
    node = resource.local_node(deadline)
    if not attributes.hear(pair.name, deadline).get(node):
        attributes.publish_with_delay(pair.name, pair.value, 0, deadline)


def _delete(pair: Pair) -> None:
    attributes.withdraw(pair.name, Deadline(TOOLS_S))
