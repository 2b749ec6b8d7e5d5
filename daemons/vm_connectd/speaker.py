# SPDX-License-Identifier: GPL-2.0-or-later
"""Who speaks: the QEMU process at the other end of a connected socket, not the socket's path.

A path copied into a second domain's definition makes that one listen there. So the process is
asked who it is, and must be the guest that libvirt names.
"""

from __future__ import annotations

from daemons.vm_connectd.label import are_apart
from pmkvm import peer, process, settings
from pmkvm.errors import HaError, is_exhaustion
from pmkvm.virt import pid_file, qemu
from pmkvm.wire.message import Sender
from pmkvm.wire.printable import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from daemons.vm_connectd.roster import Target

_LABEL_BYTES = 1024


class StrangerError(HaError):
    """The other end is not the guest that it should be."""


def identify(connection: socket.socket, target: Target) -> Sender:
    """The stamp of all that comes through this connection.

    Raises StrangerError and OSError, BlockingIOError while nobody has accepted the connection yet
    and this kernel can't tell before. The process is the one that called listen(): QEMU does, also
    for a socket that libvirt has made for it.
    """
    said, life = peer.peer_of(connection), peer.life_at(connection)
    command_line = _command_line(life.pid) if life is not None else b""
    users = process.user_ids(life.pid) if life is not None else None
    label = _label(life.pid) if life is not None else ""
    # Looked at again behind all that was read by its number.
    if life is None or process.life_of(life.pid) != life or peer.is_hung_up(connection):
        raise StrangerError(f"the process at the other end, {said.pid}, is gone")
    guest = qemu.parse_command_line(command_line)
    if guest is None:
        program = command_line.partition(b"\0")[0].decode(errors="replace")
        raise StrangerError(
            f"the process at the other end, {life.pid}, is {shown(program)}, no QEMU"
        )
    if guest.uuid != target.uuid:
        raise StrangerError(
            f"QEMU {life.pid} at the other end is the guest {shown(guest.name)} with uuid"
            f" {shown(guest.uuid)}, not {target.uuid}: its path is in two definitions"
        )
    if users is None or said.uid not in users:
        raise StrangerError(f"QEMU {life.pid} is not of user {said.uid}, who made the socket")
    if are_apart(peer.label_of(connection), label):
        raise StrangerError(f"QEMU {life.pid} has the security label of another guest's")
    _agree_with_libvirt(life.pid, target.domain)
    return Sender(target.uuid, life.pid, life.start_time, target.domain, target.resource)


def _command_line(pid: int) -> bytes:
    try:
        with open(f"{settings.PROC}/{pid}/cmdline", "rb") as file:
            return file.read(qemu.LONGEST_COMMAND_LINE)
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _label(pid: int) -> str:
    """The process's security label; empty where there are none."""
    try:
        with open(f"{settings.PROC}/{pid}/attr/current", "rb") as file:
            return file.read(_LABEL_BYTES).rstrip(b"\0\n").decode(errors="replace")
    except OSError as error:
        if is_exhaustion(error):
            raise
        # Without a security module the kernel says EINVAL.
        return ""


def _agree_with_libvirt(pid: int, domain: str) -> None:
    """That libvirt has written down this process for this domain: where only root writes.

    Raises StrangerError, and OSError where this host has no descriptor or memory to look.
    """
    recorded = pid_file.pid_of(domain)
    if recorded != pid:
        path = shown(f"{settings.LIBVIRT_PID_DIR}/{domain}.pid")
        told = (
            f"{path} names {recorded}" if recorded else f"root has written no process into {path}"
        )
        raise StrangerError(f"QEMU {pid} at the other end is not libvirt's: {told}")
