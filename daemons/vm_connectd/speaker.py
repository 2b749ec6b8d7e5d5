# SPDX-License-Identifier: GPL-2.0-or-later
"""Who speaks: the QEMU process at the other end of a connected socket, not the socket's path.

A path copied into a second domain's definition makes that one listen there. So the process is
asked who it is, and must be the guest that libvirt names.
"""

from __future__ import annotations

import os
import select

from pmkvm import process, settings
from pmkvm.errors import HaError, is_exhaustion
from pmkvm.peer import peer_of
from pmkvm.virt import qemu
from pmkvm.wire.message import Sender
from pmkvm.wire.printable import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from daemons.vm_connectd.roster import Target

_COMMAND_LINE_BYTES = 131072


class StrangerError(HaError):
    """The other end is not the guest that it should be."""


def identify(connection: socket.socket, target: Target) -> Sender:
    """The stamp of all that comes through this connection. Raises StrangerError and OSError.

    The kernel gives the pid of the process that called listen(): QEMU does, also for a socket
    that libvirt has made for it.
    """
    pid = peer_of(connection).pid
    life = process.life_of(pid) if pid else None
    command_line = _command_line(pid) if life is not None else b""
    guest = qemu.parse_command_line(command_line)
    # A process closes its sockets before its pid is free: connected still means the pid was its.
    if life is None or process.life_of(pid) != life or _is_hung_up(connection):
        raise StrangerError(f"the process at the other end, {pid}, is gone")
    if guest is None:
        word = command_line.partition(b"\0")[0].decode(errors="replace")
        raise StrangerError(f"the process at the other end, {pid}, is {shown(word)}, no QEMU")
    if guest.uuid != target.uuid:
        raise StrangerError(
            f"QEMU {pid} at the other end is the guest {shown(guest.name)} with uuid"
            f" {shown(guest.uuid)}, not {target.uuid}: its path is in two definitions"
        )
    recorded = _recorded_pid(target.domain)
    if recorded is not None and recorded != pid:
        raise StrangerError(f"QEMU {pid} at the other end is not libvirt's, which is {recorded}")
    return Sender(target.uuid, life.pid, life.start_time, target.domain, target.resource)


def _command_line(pid: int) -> bytes:
    try:
        with open(f"{settings.PROC}/{pid}/cmdline", "rb") as file:
            return file.read(_COMMAND_LINE_BYTES)
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _is_hung_up(connection: socket.socket) -> bool:
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    return any(event & (select.POLLHUP | select.POLLERR) for _fd, event in poller.poll(0))


def _recorded_pid(domain: str) -> int | None:
    """What libvirt wrote down; None if it has written nothing that can be read.

    Raises OSError where this host has no descriptor or memory to look.
    """
    path = os.path.join(settings.LIBVIRT_PID_DIR, f"{domain}.pid")
    try:
        with open(path, encoding="utf-8") as file:
            return int(file.read(32))
    except OSError as error:
        if is_exhaustion(error):
            raise
        return None
    except ValueError:
        return None
