# SPDX-License-Identifier: GPL-2.0-or-later
"""One look for all who ask at a time.

Twenty fences at once look for a QEMU three times each on every host, and read their bans again
before they kill: without this they would wait for each other's looks.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SharedLook(Generic[T]):
    """Asked in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[float, T] | None = None

    def ask(self, look: Callable[[], T]) -> T:
        """What was looked at from the call on: a look that was under way by then is waited for and
        not used. Raises what look raises."""
        asked = time.monotonic()
        with self._lock:
            if self._last is None or self._last[0] < asked:
                began = time.monotonic()
                # A look that fails leaves nothing that could be taken for a later one.
                self._last = None
                self._last = began, look()
            return self._last[1]
