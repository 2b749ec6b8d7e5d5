# SPDX-License-Identifier: GPL-2.0-or-later
"""A line on a person's terminal that says what is being done, and goes when it is done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from types import TracebackType

_CLEAR = "\r\x1b[K"


class Progress:
    """Says nothing where nobody looks."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_seen = self._stream.isatty()

    def __call__(self, what: str) -> None:
        self._write(f"{_CLEAR}{what} ...")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._write(_CLEAR)

    def _write(self, text: str) -> None:
        if self._is_seen:
            self._stream.write(text)
            self._stream.flush()
