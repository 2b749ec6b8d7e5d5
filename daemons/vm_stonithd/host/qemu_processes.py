# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's QEMUs: looked at, killed under a ban, and rid of abandoned creates. libvirt is never
asked."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.host import helper_processes
from daemons.vm_stonithd.host.other_identity import Witnesses, doubt
from daemons.vm_stonithd.host.shared_look import SharedLook
from pmkvm import process
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, HaError, is_exhaustion
from pmkvm.fencing import ban as bans
from pmkvm.process import Pidfd
from pmkvm.service.far_files import FarFiles
from pmkvm.virt import definition, pid_file, qemu, record, starting, vcpu
from pmkvm.virt.identity import DefinitionError, Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from daemons.vm_stonithd.model.actions import Kill, KillHelpers
    from daemons.vm_stonithd.model.events import Doubt
    from daemons.vm_stonithd.model.facts import Sender
    from pmkvm.fencing.ban import Ban
    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.process import Life
    from pmkvm.virt.qemu import Qemu
    from pmkvm.virt.record import Record

log = logging.getLogger(__name__)

# A killed QEMU of a small guest is gone in 20 ms; who comes back later looks again.
DEATH_S = 0.3
# From QEMU's start to the guest's libvirt needs .3 to 1 s. Less than a migration waits for an
# abandoned create at its destination to go.
YOUNG_S = 5.0
# A definition whose storage does not answer in this time counts as one that can't be read.
ANSWER_S = 3.0
# All that is read of definitions: two threads of ours never wait for one file.
DEFINITIONS = FarFiles()


class Found(NamedTuple):
    """The QEMUs of a uuid that count; strangers: those that have one of the names and another."""

    lives: tuple[Life, ...]
    strangers: tuple[Qemu, ...]


class ProcessTable:
    """For all who ask at a time, in threads: a look takes 15 ms on a host of a hundred guests."""

    def __init__(self) -> None:
        self._every: SharedLook[tuple[Qemu, ...]] = SharedLook()

    def look(self, uuid: str, names: Collection[str]) -> Found:
        """As of this call or later. Raises OSError."""
        found = self._every.ask(lambda: tuple(qemu.every()))
        lives = (one.life for one in found if one.guest.uuid == uuid and qemu.counts(one))
        strangers = (one for one in found if one.guest.name in names and one.guest.uuid != uuid)
        return Found(tuple(lives), tuple(filter(qemu.counts, strangers)))


class Sighting(NamedTuple):
    """What was seen of a target on this host: see events.Looked."""

    lives: tuple[Life, ...]
    is_locked: bool
    doubt: Doubt | None = None
    is_remembered: bool = True


def lives_of(resource: str, uuid: str) -> tuple[Life, ...]:
    """The QEMUs of that uuid of which a thread lives. Raises OSError."""
    lives = {each.life for each in qemu.find(_of(uuid))}
    return tuple(sorted(lives | _written_down(uuid, record.load(resource))))


def look(table: ProcessTable, resource: str, uuid: str, config: str) -> Sighting:
    """The start first: once none was under way under a ban, none begins anything."""
    is_locked = False
    try:
        with starting.held_off(resource):
            pass
    except DeadlineError:
        is_locked = True
    defined, remembered = identity_of(config), record.load(resource)
    identity = None if remembered is None else remembered.identity
    life = None if remembered is None else remembered.life
    is_alive = life is not None and process.is_alive(life)
    found = table.look(uuid, {each.name for each in (defined, identity) if each is not None})
    lives = {*found.lives, *_written_down(uuid, remembered)}
    strangers = [each for each in found.strangers if each.life not in lives]
    named = pid_file.life_of(defined.name) if defined and defined.uuid in ("", uuid) else None
    if named is not None and named not in {each.life for each in strangers}:
        lives |= _if_alive(named)
    heard = Witnesses(defined, identity, life.pid if life and is_alive else None, strangers)
    return Sighting(
        tuple(sorted(lives)),
        is_locked,
        doubt(uuid, heard),
        _is_of(identity, uuid),
    )


def _written_down(uuid: str, remembered: Record | None) -> set[Life]:
    """Who is the guest whatever its command line says by now: the life that we remember, and the
    one that libvirt's pid file names."""
    if remembered is None or not _is_of(remembered.identity, uuid):
        return set()
    named = pid_file.life_of(remembered.identity.name)
    return _if_alive(remembered.life) | _if_alive(named)


def _if_alive(life: Life | None) -> set[Life]:
    return {life} if life is not None and process.is_alive(life) else set()


def _is_of(identity: Identity | None, uuid: str) -> bool:
    return identity is not None and identity.uuid == uuid


def remembered_uuid(resource: str) -> str:
    """Of the domain as it was last started or arrived here; empty if nothing is remembered."""
    remembered = record.load(resource)
    return "" if remembered is None else remembered.identity.uuid


def identity_of(config: str) -> Identity | None:
    """The domain as it is defined on this host; None if that can't be told, in time.

    Raises OSError where this host has no descriptor or memory to look: that is no word about it.
    """
    if not config:
        return None
    try:
        return DEFINITIONS.ask(config, partial(definition.read_identity, config), ANSWER_S)
    except OSError as error:
        if is_exhaustion(error):
            raise
        return None
    except DefinitionError:
        return None


def is_alive(sender: Sender) -> bool:
    """Whether the QEMU that sent a request still is that very guest."""
    return qemu.is_guest(sender.life, _of(sender.uuid))


def kill(
    order: Kill, read_bans: Callable[[], str], owe: Callable[[str, PendingStop], None]
) -> bool:
    """In the one order that is safe; False if the ban is not in place any more.

    read_bans: cibadmin's answer to bans.xpath_of_all(), as of its call. owe: writes the pending
    stop down before the guest dies, so that no monitor misses it, or keeps it: whatever becomes of
    a file. Raises HaError and OSError: then nothing was killed.
    """
    with contextlib.ExitStack() as stack:
        holds = [stack.enter_context(Pidfd(life)) for life in order.lives]
        if not _stands(order.ban, read_bans()):
            return False
        owe(order.ban.resource, order.pending_stop)
        for hold in holds:
            hold.send(signal.SIGKILL)
        end = Deadline(DEATH_S)
        for hold in holds:
            hold.wait_dead(end.remaining())
    return True


def kill_helpers(order: KillHelpers, read_bans: Callable[[], str]) -> tuple[Life, ...]:
    """Who was killed; nobody if the ban is not in place any more. Raises HaError and OSError."""
    found = sorted(set().union(*map(helper_processes.of, order.lives)))
    with contextlib.ExitStack() as stack:
        holds = [stack.enter_context(Pidfd(life)) for life in found]
        if not found or not _stands(order.ban, read_bans()):
            return ()
        for hold in holds:
            hold.send(signal.SIGKILL)
    return tuple(found)


def _stands(ban: Ban, there_are: str) -> bool:
    """Whether this very ban is in the local CIB and live."""
    there = bans.find(there_are, ban.resource)
    return there is not None and there.id == ban.id and there.is_live(time.time())


def kill_abandoned_creates(resources: Iterable[str]) -> None:
    """QEMUs that a killed start left behind and that never ran.

    One with a memory from elsewhere, migrated or restored, is left to the agent, which asks
    libvirt; a young one is left to who creates it: an administrator's virsh start will run.
    """
    for resource in resources:
        try:
            remembered = record.load(resource)
            if remembered is not None and remembered.is_being_created:
                _kill_abandoned_create_of(resource)
        except (HaError, OSError) as error:
            log.debug("%s: no look for abandoned creates: %s", resource, error)


def _kill_abandoned_create_of(resource: str) -> None:
    """A start that is under way raises DeadlineError."""
    with starting.held_off(resource):
        remembered = record.load(resource)
        if remembered is None or not remembered.is_being_created:
            return
        for each in qemu.find(remembered.identity):
            if each.guest.is_incoming or process.age_s(each.life) < YOUNG_S:
                continue
            if not vcpu.have_run(each.life):
                log.warning(
                    "%s: QEMU %d was created by a start that was killed; it never ran",
                    resource,
                    each.life.pid,
                )
                qemu.kill(each.life, signal.SIGKILL, Deadline(DEATH_S))


def _of(uuid: str) -> Identity:
    # No QEMU of libvirt's is without a name, so none is found by it.
    return Identity("", uuid, is_qemu=True)
