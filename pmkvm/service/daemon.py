# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon has around its loop: it is the only one of its kind, has a local socket, and
executes itself anew where it was asked to."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Callable

from pmkvm import whole
from pmkvm.errors import HaError
from pmkvm.service import loop, reexec
from pmkvm.service.listener import Listener
from pmkvm.service.sole import Sole

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from pmkvm.service.loop import Service

log = logging.getLogger(__name__)


def serve(path: str, start: Callable[[Service, Listener], Coroutine[Any, Any, None]]) -> int:
    """Run until asked to end, and end the process; path is that of the local socket.

    Returns 1 if another daemon of this kind runs, or if this one can't begin anew.
    """
    # It outlives its version's files: nobody need tell it of an upgrade.
    whole.load()
    try:
        with Sole(path):
            with Listener(path) as listener:
                rc = loop.run(lambda service: start(service, listener))
            if rc == reexec.ANEW:
                # The name outlives this program, so that no second daemon starts in between.
                reexec.begin()
    except HaError as error:
        log.error("%s", error)
        return 1
    # A call that hangs has no end, nor has libvirt's thread: the interpreter's way out would wait
    # for the one, and pull libvirt away under the other.
    os._exit(rc)
