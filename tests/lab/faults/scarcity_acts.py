# SPDX-License-Identifier: GPL-2.0-or-later
"""A lack on a host from its begin to its end: brought about, kept up, shown to be felt, undone."""

from __future__ import annotations

import abc
import contextlib
import time

from tests.lab.errors import LabError
from tests.lab.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KEEP_S = 0.25
# Between the begin of a lack and the look at it another one may give back what he had.
LOOKS = 5


class Act(abc.ABC):
    """How one lack is brought about; each step may be called from another thread."""

    @abc.abstractmethod
    def begin(self) -> None: ...

    @abc.abstractmethod
    def felt(self) -> str:
        """What shows that the lack is there. Raises LabError if it is not."""

    @abc.abstractmethod
    def end(self) -> None:
        """May be called again, and without a begin."""

    def keep(self) -> None:
        """Take again what has become free."""
        return

    def trace(self) -> str:
        """What it leaves behind of having been felt, asked for before the end. Raises LabError if
        nobody has felt it; empty where nothing can tell."""
        return ""


class Spell(Watcher):
    """One time of lack. began_s and ended_s are times of day."""

    def __init__(self, act: Act) -> None:
        super().__init__()
        self._act = act
        self.began_s: float | None = None
        self.ended_s: float | None = None
        self.felt: list[str] = []
        self._is_over = False

    def begin(self) -> None:
        """Back when it is felt."""
        self.began_s = time.time()
        self._act.begin()
        self.felt.append(self._shown(self._act.felt))
        self.__enter__()

    def end(self) -> None:
        """Of one that was begun; a second time nothing."""
        if self._is_over or self.began_s is None:
            return
        self._is_over = True
        try:
            self.__exit__(None, None, None)
            self.felt += filter(None, [self._shown(self._act.trace)])
        except LabError as error:
            self.felt.append(f"NOT FELT: {error}")
        finally:
            self._act.end()
            self.ended_s = time.time()

    def _shown(self, look: Callable[[], str]) -> str:
        """What the look says; what has become free meanwhile is taken again before the next one."""
        for _ in range(LOOKS - 1):
            with contextlib.suppress(LabError):
                return look()
            self._act.keep()
        return look()

    @property
    def is_felt(self) -> bool:
        return bool(self.felt) and not any(text.startswith("NOT FELT") for text in self.felt)

    def look(self) -> float:
        self._act.keep()
        return KEEP_S
