# SPDX-License-Identifier: GPL-2.0-or-later
"""ifcheckd: from arguments to a running daemon, or to what the running one says."""

from __future__ import annotations

import contextlib
import logging
import sys
from functools import partial

from daemons.ifcheckd import options
from pmkvm.errors import ExhaustedError
from pmkvm.service.command_line import print_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.ifcheckd.options import Options

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, or status printed; 1: anything else."""
    chosen = options.parse(argv)
    if not chosen.is_status:
        return _serve(chosen)
    from pmkvm.service import status_socket

    return print_status("ifcheckd", partial(status_socket.ask, "ifcheckd", chosen.socket))


def _serve(chosen: Options) -> int:
    from daemons.ifcheckd.daemon import Daemon
    from pmkvm.service import daemon
    from pmkvm.service import log as service_log
    from pmkvm.service.notify import notify

    # A supervisor that hears this waits for READY=1.
    with contextlib.suppress(ExhaustedError):
        notify("STATUS=starting")
    service_log.set_up("ifcheckd", is_debug=chosen.is_debug)
    if chosen.is_old_style:
        log.info("-D and -p have no effect: the supervisor knows the process")
    return daemon.serve(chosen.socket, lambda *parts: Daemon(chosen).start(*parts))


if __name__ == "__main__":
    sys.exit(main())
