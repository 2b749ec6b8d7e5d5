# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU processes of this host, found by the uuid and the name in their command line.

The process table is the witness of whether a guest exists: it answers when libvirt does not. But a
process writes its command line itself, and may make it as long as it likes. So:

- A command line is read only of a process of a user whom libvirt runs QEMU as (qemu_user), or of
  one in a domain's control group (machine_scope), and no more than a bounded piece of it. Any
  other local user's process is passed over, whatever it says. Where it can't be told who QEMU's
  user is, nobody's is.
- What it says counts if no id of the process is another user's, no setuid program speaks for
  somebody else, and it is no container's.
- What root has written down about a process outweighs it: our record of a life, and libvirt's
  pid file (pid_file). Such a life is that guest's and no other's, whatever it says of itself.

A QEMU of this kind that nobody has written down counts as living: its pid file may be lost. Root
can forge one, and so can a QEMU that was taken over. What that can do is in doc/security.md.
"""

from __future__ import annotations

import os

from pmkvm import process, settings
from pmkvm.errors import HaError, is_exhaustion
from pmkvm.light_types import NamedTuple
from pmkvm.process import Life, Pidfd
from pmkvm.virt import machine_scope, pid_file, qemu_user, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

    from pmkvm.deadline import Deadline
    from pmkvm.virt.identity import Identity


# libvirt writes -name first and -uuid within the first few KiB; what makes a command line longer
# are the devices behind them. This is room for some two hundred.
LONGEST_COMMAND_LINE = 131072


class ForeignQemuError(HaError):
    """A QEMU of the domain's name has another uuid: nobody can tell whose guest it is."""


class Guest(NamedTuple):
    """What a QEMU's command line says: whose it is, and whether it waits for a migration.

    is_incoming also where that can't be told: libvirt writes it behind the devices.
    """

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
    argv = command_line.rstrip(b"\0").split(b"\0")
    options = dict(zip(argv, argv[1:]))
    uuid = options.get(b"-uuid")
    name = options.get(b"-name")
    if uuid is None or name is None:
        return None
    name = name[len(b"guest=") :] if name.startswith(b"guest=") else name
    name = name.replace(b",,", b"\0").partition(b",")[0].replace(b"\0", b",")
    return Guest(
        name.decode(errors="replace"),
        uuid.decode(errors="replace").lower(),
        b"-incoming" in argv or len(command_line) >= LONGEST_COMMAND_LINE,
    )


def living(identity: Identity, *, is_sure: bool = False) -> list[Life]:
    """All lives of a domain, by their command lines and by libvirt's pid file, the oldest first.

    is_sure, and raises: as find().
    """
    lives = {qemu.life for qemu in find(identity, is_sure=is_sure)}
    named = pid_file.life_of(identity.name)
    # A stranger of the name has its file.
    is_other = is_sure and named is not None and _is_stranger(named, identity)
    if named is not None and process.is_alive(named) and not is_other:
        lives.add(named)
    return sorted(lives, key=lambda life: life.start_time)


def find(identity: Identity, *, is_sure: bool = False) -> list[Qemu]:
    """The living QEMUs whose command line says that they are this domain's: one as a rule, two
    while one life ends and the next begins.

    Without a uuid in the identity the name decides, without a name the uuid alone, and so does the
    uuid where it is sure to be the domain's. Else raises ForeignQemuError if a QEMU of that name
    lives under another uuid. Raises OSError if the process table can't be read.
    """
    found = []
    for qemu in every():
        same_name = bool(identity.name) and qemu.guest.name == identity.name
        same_uuid = qemu.guest.uuid == identity.uuid or (same_name and not identity.uuid)
        if not (same_name or same_uuid) or not counts(qemu):
            continue
        if not same_uuid and is_sure:
            continue
        if not same_uuid:
            raise ForeignQemuError(
                f"QEMU {qemu.life.pid} runs a guest named {identity.name} with uuid"
                f" {qemu.guest.uuid}, not {identity.uuid}: a person must say which is meant"
            )
        found.append(qemu)
    return found


def _is_stranger(life: Life, identity: Identity) -> bool:
    """Whether it says that it is a domain of that name and another uuid."""
    guest = parse_command_line(command_line(life.pid))
    return guest is not None and guest.name == identity.name and guest.uuid != identity.uuid


def is_guest(life: Life, identity: Identity) -> bool:
    """Whether this life lives and says that it is the domain's: the look at a known pid."""
    if not process.is_alive(life):
        return False
    guest = parse_command_line(command_line(life.pid))
    if guest is None or process.life_of(life.pid) != life:
        return False
    if identity.uuid:
        return guest.uuid == identity.uuid
    return guest.name == identity.name


def kill(life: Life, number: signal.Signals, deadline: Deadline) -> bool:
    """Signal exactly this life and wait for its death; False if it outlived the deadline."""
    with Pidfd(life) as pidfd:
        pidfd.send(number)
        return pidfd.wait_dead(deadline.remaining())


def every() -> Iterator[Qemu]:
    """All that say so and may, dead ones that nobody has reaped too. Raises OSError.

    Whether one is believed counts() tells: it costs more, and few are asked for at a time.
    """
    users = qemu_user.uids()
    for entry in os.listdir(settings.PROC):
        if entry.isdigit():
            qemu = _qemu(int(entry), users)
            if qemu is not None:
                yield qemu


def counts(qemu: Qemu) -> bool:
    """Whether it lives, and its command line is to be believed. Raises OSError."""
    pid = qemu.life.pid
    if not (_is_libvirts(pid) and _speaks_for_itself(pid) and process.is_alive(qemu.life)):
        return False
    return not _is_anothers(qemu)


def _is_libvirts(pid: int) -> bool:
    """Of a QEMU's user with all its ids, or put into a domain's group by root."""
    users, ids = qemu_user.uids(), process.user_ids(pid)
    if users is None or ids is None:
        return True
    return users.issuperset(ids) or bool(machine_scope.of(pid))


def _speaks_for_itself(pid: int) -> bool:
    """Also where that can't be told, as of one whose first thread has ended."""
    try:
        if not process.is_in_own_namespace(pid):
            return False
        return not process.has_setuid_executable(pid)
    except OSError as error:
        if is_exhaustion(error):
            raise
        return True


def _is_anothers(qemu: Qemu) -> bool:
    """Whether root has written down that this life is another guest's than it says."""
    known = record.of_life(qemu.life)
    if known is not None and known.uuid:
        return known.uuid != qemu.guest.uuid
    if pid_file.life_of(qemu.guest.name) == qemu.life:
        return False
    return pid_file.domain_of(qemu.life) is not None


def _qemu(pid: int, users: frozenset[int] | None) -> Qemu | None:
    try:
        # Of this directory it is the effective user, whatever the process has hidden of itself.
        owner = os.stat(f"{settings.PROC}/{pid}").st_uid
    except (FileNotFoundError, ProcessLookupError):
        return None
    if users is not None and owner not in users and not machine_scope.of(pid):
        return None
    if parse_command_line(command_line(pid)) is None:
        return None
    # Once more, behind the start time: a pid that was reused in between then shows.
    life = process.life_of(pid)
    guest = parse_command_line(command_line(pid))
    return Qemu(life, guest) if life and guest else None


def command_line(pid: int) -> bytes:
    """The beginning of the process's arguments. Once its first thread has ended, only the others
    still show them. Of an ordinary user's process nobody should ask for them."""
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
            return file.read(LONGEST_COMMAND_LINE)
    except (FileNotFoundError, ProcessLookupError):
        return b""
