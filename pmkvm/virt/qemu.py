# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU processes of this host, found by the uuid and the name in their command line.

The process table is the witness of whether a guest exists: it answers when libvirt does not.
"""

from __future__ import annotations

import os

from pmkvm import process, settings
from pmkvm.errors import HaError
from pmkvm.lean import NamedTuple
from pmkvm.process import Life, Pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

    from pmkvm.deadline import Deadline
    from pmkvm.virt.identity import Identity


class ForeignQemuError(HaError):
    """A QEMU of the domain's name has another uuid: nobody can tell whose guest it is."""


class Guest(NamedTuple):
    """What a QEMU's command line says: whose it is, and whether it waits for a migration."""

    name: str
    uuid: str
    is_incoming: bool


class Qemu(NamedTuple):
    """A living QEMU process that libvirt has started."""

    life: Life
    guest: Guest


def parse_command_line(command_line: bytes) -> Guest | None:
    """The guest of a QEMU that libvirt started, None for any other process.

    libvirt writes ``-name guest=NAME,debug-threads=on`` with commas in the name doubled,
    and ``-uuid UUID`` (qemuBuildNameCommandLine, qemuBuildCommandLine).
    """
    words = command_line.rstrip(b"\0").split(b"\0")
    options = dict(zip(words, words[1:]))
    uuid = options.get(b"-uuid")
    name = options.get(b"-name")
    if uuid is None or name is None:
        return None
    name = name[len(b"guest=") :] if name.startswith(b"guest=") else name
    name = name.replace(b",,", b"\0").partition(b",")[0].replace(b"\0", b",")
    return Guest(
        name.decode(errors="replace"),
        uuid.decode(errors="replace").lower(),
        b"-incoming" in words,
    )


def find(identity: Identity) -> list[Qemu]:
    """The living QEMUs of a domain: one as a rule, two while one life ends and the next begins.

    Without a uuid in the identity the name decides. Raises ForeignQemuError if a QEMU of
    that name lives under another uuid, OSError if the process table can't be read.
    """
    found = []
    for qemu in every():
        same_name = qemu.guest.name == identity.name
        if qemu.guest.uuid == identity.uuid or (same_name and not identity.uuid):
            found.append(qemu)
        elif same_name and process.is_alive(qemu.life):
            raise ForeignQemuError(
                f"QEMU {qemu.life.pid} runs a guest named {identity.name} with uuid"
                f" {qemu.guest.uuid}, not {identity.uuid}: a person must say which is meant"
            )
    return [qemu for qemu in found if process.is_alive(qemu.life)]


def is_guest(life: Life, identity: Identity) -> bool:
    """Whether this life is a living QEMU of the domain: the cheap look at one remembered pid."""
    if not process.is_alive(life):
        return False
    qemu = _qemu(life.pid)
    if qemu is None or qemu.life != life:
        return False
    if identity.uuid:
        return qemu.guest.uuid == identity.uuid
    return qemu.guest.name == identity.name


def kill(life: Life, number: signal.Signals, deadline: Deadline) -> bool:
    """Signal exactly this life and wait for its death; False if it outlived the deadline."""
    with Pidfd(life) as pidfd:
        pidfd.send(number)
        return pidfd.wait_dead(deadline.remaining())


def every() -> Iterator[Qemu]:
    """All that the process table shows, dead ones that nobody has reaped too. Raises OSError."""
    for entry in os.listdir(settings.PROC):
        if entry.isdigit():
            qemu = _qemu(int(entry))
            if qemu is not None:
                yield qemu


def _qemu(pid: int) -> Qemu | None:
    if parse_command_line(command_line(pid)) is None:
        return None
    # Once more, behind the start time: a pid that was reused in between then shows.
    life = process.life_of(pid)
    guest = parse_command_line(command_line(pid))
    return Qemu(life, guest) if life and guest else None


def command_line(pid: int) -> bytes:
    """The process's words. Once its first thread has ended, only the others still show them."""
    line = _read(f"{settings.PROC}/{pid}/cmdline")
    if line or not process.is_zombie(pid):
        return line
    threads = f"{settings.PROC}/{pid}/task"
    try:
        for thread in os.listdir(threads):
            line = line or _read(f"{threads}/{thread}/cmdline")
    except (FileNotFoundError, ProcessLookupError):
        return b""
    return line


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""
