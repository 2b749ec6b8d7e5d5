# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the guests' domains are defined on this host.

A plain config costs nothing. Of the others Pacemaker is asked, one after the other, so each now
and then only, and the one that was asked longest ago first.
"""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker.this_host import ThisHost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pmkvm.pacemaker.targets import Guest

log = logging.getLogger(__name__)

# A rule's outcome may change without a change of the CIB: with a node's attributes, or the time.
FRESH_S = 30.0
# For all questions of one look: the rest is asked in the next one.
ASKING_S = 4.0


class _Told(NamedTuple):
    """What Pacemaker said last, when it was last asked, and why it did not tell then."""

    asked: float = float("-inf")
    path: str = ""
    reason: str = ""


class Paths:
    """Asked in a thread, one at a time."""

    def __init__(self) -> None:
        self._host = ThisHost()
        self._told: dict[Guest, _Told] = {}

    def look(self, guests: Iterable[Guest]) -> dict[str, str]:
        """By the guests' ids, empty if none can be told. What was known stays while Pacemaker
        does not answer."""
        plain, told = {}, {}
        for guest in guests:
            if guest.config.is_plain:
                plain[guest.id] = guest.config.value
            else:
                told[guest] = self._told.get(guest, _Told())
        self._told = told
        self._ask()
        return {**plain, **{guest.id: each.path for guest, each in self._told.items()}}

    def _ask(self) -> None:
        deadline, now = Deadline(ASKING_S), time.monotonic()
        for guest, before in sorted(self._told.items(), key=lambda item: item[1].asked):
            if now - before.asked < FRESH_S or deadline.expired():
                return
            try:
                path = self._host.definition_path(guest.id, guest.config, deadline)
                self._told[guest] = _Told(now, path)
            except HaError as error:
                if str(error) != before.reason:
                    log.warning("%s", error)
                self._told[guest] = _Told(now, before.path, str(error))
