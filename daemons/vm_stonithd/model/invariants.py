# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of our own promises, which no switch of the interpreter takes out. Never for input."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


class BrokenPromiseError(AssertionError):
    """The machine was about to break a promise: an error of ours."""


def hold(is_kept: object, promise: str) -> None:
    """Raises BrokenPromiseError."""
    if not is_kept:
        raise BrokenPromiseError(promise)


def known(value: T | None) -> T:
    """What must be there by now."""
    if value is None:
        raise BrokenPromiseError("something is used before it is known")
    return value
