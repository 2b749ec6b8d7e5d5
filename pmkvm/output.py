# SPDX-License-Identifier: GPL-2.0-or-later
"""Standard output of a program that answers a person: it may be a full disk, or a closed pipe."""

from __future__ import annotations

import os
import sys

from pmkvm.errors import HaError, reason_of


class OutputError(HaError):
    """What was to be printed is not, or not all of it."""


def write(text: str) -> None:
    """All of it, now. Raises OutputError."""
    if sys.stdout is None:
        raise OutputError("its output can't be written: it has none")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # The interpreter's own flush at its end would fail again, and say so in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"its output can't be written: {reason_of(error)}") from error
