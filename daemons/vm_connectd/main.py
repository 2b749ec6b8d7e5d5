# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd: from arguments to a running daemon, or to what the running one says."""

from __future__ import annotations

import logging
import os
import sys

from daemons.vm_connectd import options
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_connectd.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service

log = logging.getLogger(__name__)

STATUS_S = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, or status printed; 1: anything else."""
    chosen = options.parse(sys.argv[1:] if argv is None else argv)
    return _status(chosen) if chosen.kind == "status" else _serve(chosen)


def _status(chosen: Options) -> int:
    from pmkvm.wire import client

    try:
        sys.stdout.write(f"{client.status(Deadline(STATUS_S), path=chosen.socket)}\n")
    except HaError as error:
        sys.stderr.write(f"vm-connectd: {error}\n")
        return 1
    return 0


def _serve(chosen: Options) -> int:
    from pmkvm.service import daemon
    from pmkvm.service import log as service_log

    service_log.set_up("vm-connectd", is_debug=chosen.is_debug)
    if chosen.is_old_style:
        log.info("-D and -p have no effect: the supervisor knows the process")

    async def start(service: Service, listener: Listener) -> None:
        await _start(chosen, service, listener)

    try:
        rc = daemon.serve(chosen.socket, start)
    except HaError as error:
        log.error("%s", error)
        return 1
    if chosen.kind == "host":
        # A thread of libvirt's has no end, others may hang in it: the interpreter's way out
        # would pull libvirt away under them.
        sys.stdout.flush()
        os._exit(rc)
    return rc


async def _start(chosen: Options, service: Service, listener: Listener) -> None:
    if chosen.kind == "host":
        from daemons.vm_connectd.host import Host

        await Host(chosen.directories).start(service, listener)
    else:
        from daemons.vm_connectd.guest import Guest

        await Guest(chosen.port).start(service, listener)


if __name__ == "__main__":
    sys.exit(main())
