# SPDX-License-Identifier: GPL-2.0-or-later
"""Files on a mount that hangs: whoever opens one, or looks at it, does not come back."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mount:
    """Files can be put on it. in_it: who waits there now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: set[str] = set()
        self.in_it: list[str] = []
        self._back = threading.Event()
        for name in ("open", "stat"):
            monkeypatch.setattr(os, name, self._waiting(getattr(os, name)))

    def come_back(self) -> None:
        self.paths.clear()
        self._back.set()

    def _waiting(self, real: Any) -> Any:
        def call(path: Any, *arguments: Any, **more: Any) -> Any:
            if isinstance(path, (str, os.PathLike)) and os.fspath(path) in self.paths:
                self.in_it.append(os.fspath(path))
                self._back.wait()
                self.in_it.remove(os.fspath(path))
            return real(path, *arguments, **more)

        return call


@pytest.fixture
def mount(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mount]:
    made = Mount(monkeypatch)
    yield made
    made.come_back()
