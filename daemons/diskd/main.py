# SPDX-License-Identifier: GPL-2.0-or-later
"""diskd: from arguments to a running daemon, to one check, or to what the running one says."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial

from daemons.diskd import checker
from pmkvm.errors import ExhaustedError
from pmkvm.service.command_line import print_status
from pmkvm.service.notify import notify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.diskd.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, status printed, or a single check is good; 1: anything else."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] == checker.WORD:
        return checker.main(words[1:])
    from daemons.diskd import options

    chosen = options.parse(words)
    if chosen.kind == "validate":
        return 0
    if chosen.kind == "status":
        from pmkvm.service import status_socket

        return print_status("diskd", partial(status_socket.ask, "diskd", chosen.socket))
    if os.geteuid() != 0:
        sys.stderr.write("diskd: only root may check disks\n")
        return 1
    return _check_once(chosen) if chosen.kind == "once" else _serve(chosen)


def _serve(chosen: Options) -> int:
    # A supervisor that hears this waits for READY=1.
    with contextlib.suppress(ExhaustedError):
        notify("STATUS=waiting for the first checks")
    import logging

    from daemons.diskd.daemon import Daemon
    from pmkvm.service import daemon
    from pmkvm.service import log as service_log

    service_log.set_up("diskd", is_debug=chosen.is_debug)
    if chosen.is_old_style:
        logging.getLogger(__name__).info("-D, -e and -p have no effect")

    async def start(service: Service, listener: Listener) -> None:
        await Daemon(chosen).start(service, listener)

    return daemon.serve(chosen.socket, start)


def _check_once(chosen: Options) -> int:
    import asyncio

    from daemons.diskd import once

    complaints = asyncio.run(once.check(chosen))
    for each in complaints:
        sys.stderr.write(f"diskd: {each}\n")
    sys.stderr.flush()
    # A thread that starts a child may hang; the interpreter's way out would wait for it.
    os._exit(1 if complaints else 0)


if __name__ == "__main__":
    sys.exit(main())
