# SPDX-License-Identifier: GPL-2.0-or-later
"""One timer for a router: it rings when the router says that something is due."""

from __future__ import annotations

import asyncio
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


class Alarm:
    """Rings at the earliest time it was last set to, or earlier; the ringer looks again then."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._when = 0.0

    def set(self, when: float | None) -> None:
        """On the monotonic clock. An alarm that is set already is only moved forward."""
        if when is None or (self._handle is not None and self._when <= when):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._when = when
        delay = max(0.0, when - time.monotonic())
        self._handle = asyncio.get_running_loop().call_later(delay, self._rang)

    def _rang(self) -> None:
        self._handle = None
        self._ring()
