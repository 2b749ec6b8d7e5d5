# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-client: from arguments to a running daemon, or to what the running one says."""

from __future__ import annotations

import sys
from functools import partial

from daemons.vm_client import options
from pmkvm.service.command_line import print_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_client.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, or status printed; 1: anything else."""
    chosen = options.parse(argv)
    if not chosen.is_status:
        return _serve(chosen)
    from pmkvm.service import status_socket

    return print_status("vm-client", partial(status_socket.ask, "vm-client", chosen.socket))


def _serve(chosen: Options) -> int:
    from daemons.vm_client.daemon import Daemon
    from pmkvm.service import daemon
    from pmkvm.service import log as service_log

    service_log.set_up("vm-client", is_debug=chosen.is_debug)

    async def start(service: Service, listener: Listener) -> None:
        await Daemon(chosen).start(service, listener)

    return daemon.serve(chosen.socket, start)


if __name__ == "__main__":
    sys.exit(main())
