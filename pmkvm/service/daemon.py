# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon has around its loop: it is the only one of its kind, has a local socket, and
executes itself anew where it was asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from pmkvm.service import loop, reexec
from pmkvm.service.listener import Listener
from pmkvm.service.sole import Sole

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pmkvm.service.loop import Service


def serve(path: str, start: Callable[[Service, Listener], Awaitable[None]]) -> int:
    """Run until asked to end; path is that of the local socket. The program's exit code.

    Raises HaError if another daemon of this kind runs, or if this one can't begin anew.
    """
    with Sole(path):
        with Listener(path) as listener:
            rc = loop.run(lambda service: start(service, listener))
        if rc == reexec.ANEW:
            # The name outlives this program, so that no second daemon starts in between.
            reexec.begin()
    return rc
