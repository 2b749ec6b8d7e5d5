# SPDX-License-Identifier: GPL-2.0-or-later
"""A thread that outlives its test calls what the next one has put in place, or the real libvirt."""

from __future__ import annotations

import sys
import time
import traceback

# A thread that was told to end does so in this time, on a busy machine too.
END_S = 20.0


def running() -> frozenset[int]:
    """Also those that no Thread stands for."""
    return frozenset(sys._current_frames())


def require_ended(before: frozenset[int]) -> None:
    """All but those: waits for the others, and names where they are."""
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline and _since(before):
        time.sleep(0.01)
    assert _since(before) == []


def _since(before: frozenset[int]) -> list[str]:
    return [
        " < ".join(each.name for each in reversed(traceback.extract_stack(frame)))
        for number, frame in sys._current_frames().items()
        if number not in before
    ]
