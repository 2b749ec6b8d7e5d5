# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd: from arguments to a running daemon, or to what the running one says."""

from __future__ import annotations

import logging
import sys
from functools import partial

from daemons.vm_connectd import options
from pmkvm.service.command_line import print_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_connectd.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, or status printed; 1: anything else."""
    chosen = options.parse(argv)
    if chosen.kind != "status":
        return _serve(chosen)
    from pmkvm.wire import client

    return print_status("vm-connectd", partial(client.status, path=chosen.socket))


def _serve(chosen: Options) -> int:
    from pmkvm.service import daemon
    from pmkvm.service import log as service_log

    service_log.set_up("vm-connectd", is_debug=chosen.is_debug)
    if chosen.is_old_style:
        log.info("-D and -p have no effect: the supervisor knows the process")

    async def start(service: Service, listener: Listener) -> None:
        if chosen.kind == "host":
            from daemons.vm_connectd.host import Host

            await Host(chosen.directories).start(service, listener)
        else:
            from daemons.vm_connectd.guest import Guest

            await Guest(chosen.port).start(service, listener)

    return daemon.serve(chosen.socket, start)


if __name__ == "__main__":
    sys.exit(main())
