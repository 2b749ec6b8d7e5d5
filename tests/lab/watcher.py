# SPDX-License-Identifier: GPL-2.0-or-later
"""What looks at the lab again and again, in a thread, while a test goes on."""

from __future__ import annotations

import abc
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait

from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import TypeVar

    AnyWatcher = TypeVar("AnyWatcher", bound="Watcher")

# Of asking several programs in turn, each of which has its own deadline.
END_S = 60.0


class Watcher(abc.ABC):
    """Looks while it is a context: at its beginning in the caller's thread, then in its own.

    What a look raises ends the watch, and the context raises it at its end: a test that was not
    watched to its end proves nothing.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        self._watching: Future[None] | None = None

    @abc.abstractmethod
    def look(self) -> float:
        """Once; after how many seconds to look again."""

    def __enter__(self: AnyWatcher) -> AnyWatcher:
        pause_s = self.look()
        self._watching = self._thread.submit(self._watch, pause_s)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.shutdown(wait=False)
        if self._watching is not None:
            if not wait([self._watching], END_S).done:
                raise LabError(f"{type(self).__name__}: a look takes over {END_S:.0f} s")
            self._watching.result()

    def _watch(self, pause_s: float) -> None:
        while not self._over.wait(pause_s):
            pause_s = self.look()
