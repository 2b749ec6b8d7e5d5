# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-stonithd: from arguments to a running daemon, or to what the running one says."""

from __future__ import annotations

import contextlib
import sys
from functools import partial

from daemons.vm_stonithd import options
from pmkvm.errors import ExhaustedError
from pmkvm.service.command_line import print_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_stonithd.intake.token_readers import Readers
    from daemons.vm_stonithd.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, or status printed; 1: anything else."""
    chosen = options.parse(argv)
    if not chosen.is_status:
        return _serve(chosen)
    from pmkvm.service import status_socket

    ask = partial(status_socket.ask, "vm-stonithd", chosen.socket)
    return print_status("vm-stonithd", ask)


def _serve(chosen: Options) -> int:
    from daemons.vm_stonithd.daemon import Daemon
    from pmkvm.service import daemon
    from pmkvm.service import log as service_log
    from pmkvm.service.notify import notify

    # A supervisor that hears this waits for READY=1.
    with contextlib.suppress(ExhaustedError):
        notify("STATUS=starting")
    service_log.set_up("vm-stonithd", is_debug=chosen.is_debug)
    tokens = _tokens(chosen)

    async def start(service: Service, listener: Listener) -> None:
        await Daemon(tokens, chosen.connectd_socket).start(service, listener)

    return daemon.serve(chosen.socket, start)


def _tokens(chosen: Options) -> Readers:
    """The ways to read tokens; what is wrong with one leaves the other, and the daemon up."""
    from daemons.vm_stonithd.intake.grant import TokenOptionError
    from daemons.vm_stonithd.intake.key_file import Keys
    from daemons.vm_stonithd.intake.legacy_tokens import Decoder
    from daemons.vm_stonithd.intake.token_readers import Readers

    keys = Keys(chosen.key_file)
    if chosen.command is None:
        return Readers(keys)
    try:
        made = Decoder(chosen.command, is_on_stdin=chosen.is_on_stdin, success=chosen.success)
    except TokenOptionError as error:
        return Readers(keys, None, str(error))
    return Readers(keys, made)


if __name__ == "__main__":
    sys.exit(main())
