# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-stonithd: from arguments to a running daemon, or to what the running one says."""

from __future__ import annotations

import contextlib
import logging
import os
import sys

from daemons.vm_stonithd import options
from pmkvm.deadline import Deadline
from pmkvm.errors import ExhaustedError, HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemons.vm_stonithd.intake.token_readers import Readers
    from daemons.vm_stonithd.options import Options
    from pmkvm.service.listener import Listener
    from pmkvm.service.loop import Service

log = logging.getLogger(__name__)

STATUS_S = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """0: asked to stop, or status printed; 1: anything else."""
    chosen = options.parse(sys.argv[1:] if argv is None else argv)
    return _status(chosen) if chosen.is_status else _serve(chosen)


def _status(chosen: Options) -> int:
    from daemons.vm_stonithd import status_socket

    try:
        sys.stdout.write(status_socket.ask(chosen.socket, Deadline(STATUS_S)))
    except HaError as error:
        sys.stderr.write(f"vm-stonithd: {error}\n")
        return 1
    return 0


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

    try:
        rc = daemon.serve(chosen.socket, start)
    except HaError as error:
        log.error("%s", error)
        return 1
    # A call that hangs has no end: the interpreter's way out would wait for it.
    sys.stdout.flush()
    os._exit(rc)


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
