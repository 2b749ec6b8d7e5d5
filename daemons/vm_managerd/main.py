# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-managerd: from arguments to a running daemon, or to what the running one says."""

from __future__ import annotations

import logging
import sys
from functools import partial

from daemons.vm_managerd import options
from pmkvm.service.command_line import print_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_managerd.options import Options
    from daemons.vm_managerd.rules import Rules
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, or status printed; 1: anything else."""
    chosen = options.parse(argv)
    if not chosen.is_status:
        return _serve(chosen)
    from pmkvm.service import status_socket

    return print_status("vm-managerd", partial(status_socket.ask, "vm-managerd", chosen.socket))


def _serve(chosen: Options) -> int:
    from daemons.vm_managerd.daemon import Daemon
    from pmkvm.errors import HaError
    from pmkvm.service import daemon
    from pmkvm.service import log as service_log

    service_log.set_up("vm-managerd", is_debug=chosen.is_debug)
    if chosen.is_old_style:
        log.info("-D and -p have no effect: the supervisor knows the process")
    try:
        rules = _rules(chosen.rules)
    except HaError as error:
        # As in 2011. Without rules no guest may see anything.
        log.error("%s", error)
        return 1

    async def start(service: Service, listener: Listener) -> None:
        await Daemon(rules, chosen.pair, chosen.connectd_socket).start(service, listener)

    return daemon.serve(chosen.socket, start)


def _rules(path: str) -> Rules:
    """Raises HaError, in one line that names the file."""
    from daemons.vm_managerd.rules import RulesError, parse
    from pmkvm import files
    from pmkvm.errors import reason_of

    try:
        text = files.read_text(path)
        if text is None:
            raise RulesError("no such file")
        return parse(text)
    except (OSError, UnicodeDecodeError, RulesError) as error:
        raise RulesError(f"{path}: {reason_of(error)}") from error


if __name__ == "__main__":
    sys.exit(main())
