# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes in its own time is waited for; a test that waits in vain fails."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pmkvm.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

# A busy machine is no failure.
WAIT_S = 60.0


def eventually(what: str, is_so: Callable[[], object], within_s: float = WAIT_S) -> None:
    deadline = Deadline(within_s)
    while not is_so():
        assert not deadline.expired(), f"never: {what}"
        time.sleep(0.005)


async def until(is_so: Callable[[], object], within_s: float = WAIT_S) -> None:
    """The same in a loop."""
    deadline = Deadline(within_s)
    while not is_so():
        assert not deadline.expired(), "not in time"
        await asyncio.sleep(0.005)
