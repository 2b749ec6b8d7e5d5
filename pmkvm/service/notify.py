# SPDX-License-Identifier: GPL-2.0-or-later
"""sd_notify(3) in one datagram, to the supervisor: systemd or ocf:extra:vm-anything."""

from __future__ import annotations

import logging
import os
import socket

from pmkvm.errors import ExhaustedError, is_exhaustion, reason_of

log = logging.getLogger(__name__)

VARIABLE = "NOTIFY_SOCKET"


def notify(state: str) -> bool:
    """Tell it, such as "READY=1"; False if nobody listens.

    Raises ExhaustedError: then nobody has been told yet.
    """
    address = os.environ.get(VARIABLE, "")
    if not address:
        return False
    if address.startswith("@"):
        # A name in the abstract namespace.
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
            datagram.setblocking(False)
            datagram.sendto(state.encode(), address)
    except OSError as error:
        if is_exhaustion(error):
            raise ExhaustedError(f"{reason_of(error)} while telling the supervisor") from error
        log.warning("the supervisor does not hear %s: %s", state, error.strerror)
        return False
    return True
