# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's QEMUs: looked at, killed under a ban, and rid of shells. libvirt is never asked."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd import helper_processes
from pmkvm import process
from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError, HaError, is_exhaustion
from pmkvm.fencing import ban as bans
from pmkvm.fencing import debt as debts
from pmkvm.process import Pidfd
from pmkvm.virt import definition, qemu, record, vcpu
from pmkvm.virt.identity import DefinitionError, Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from daemons.vm_stonithd.actions import Kill, KillHelpers
    from daemons.vm_stonithd.facts import Sender
    from daemons.vm_stonithd.process_table import ProcessTable
    from pmkvm.fencing.ban import Ban
    from pmkvm.process import Life

log = logging.getLogger(__name__)

# A killed QEMU of a small guest is gone in 20 ms; who comes back later looks again.
DEATH_S = 0.3
# From QEMU's start to the guest's libvirt needs .3 to 1 s. Less than a migration waits for a shell
# at its destination to go.
YOUNG_S = 5.0


class Look(NamedTuple):
    """What was seen of a target on this host."""

    lives: tuple[Life, ...]
    is_locked: bool
    differs: bool


def lives_of(uuid: str) -> tuple[Life, ...]:
    """The QEMUs of that uuid of which a thread lives. Raises OSError."""
    return tuple(each.life for each in qemu.find(_of(uuid)))


def look(table: ProcessTable, resource: str, uuid: str, config: str) -> Look:
    """The lock first: once it was free under a ban, no start begins anything."""
    is_locked = False
    try:
        with record.lock(resource, Deadline(0)):
            pass
    except DeadlineError:
        is_locked = True
    defined = uuid_of(config)
    return Look(table.lives_of(uuid), is_locked, differs=defined not in ("", uuid))


def uuid_of(config: str) -> str:
    """Of the domain as it is defined on this host; empty if that can't be told.

    Raises OSError where this host has no descriptor or memory to look: that is no word about it.
    """
    if not config:
        return ""
    try:
        return definition.read_identity(config).uuid
    except OSError as error:
        if is_exhaustion(error):
            raise
        return ""
    except DefinitionError:
        return ""


def is_alive(sender: Sender) -> bool:
    """Whether the QEMU that sent a request still is that very guest."""
    return qemu.is_guest(sender.life, _of(sender.uuid))


def kill(order: Kill, read_bans: Callable[[], str]) -> bool:
    """In the one order that is safe; False if the ban is not in place any more.

    read_bans: cibadmin's answer to bans.xpath_of_all(), as of its call.
    Raises HaError and OSError: then nothing was killed.
    """
    with contextlib.ExitStack() as stack:
        holds = [stack.enter_context(Pidfd(life)) for life in order.lives]
        if not _stands(order.ban, read_bans()):
            return False
        debts.store(order.ban.resource, order.debt)
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


def kill_shells(resources: Iterable[str]) -> None:
    """QEMUs that a killed start left behind and that never ran.

    One with a memory from elsewhere, migrated or restored, is left to the agent, which asks
    libvirt; a young one is left to who creates it: an administrator's virsh start will run.
    """
    for resource in resources:
        try:
            remembered = record.load(resource)
            if remembered is not None and remembered.is_being_created:
                _kill_shells_of(resource)
        except (HaError, OSError) as error:
            log.debug("%s: no look for shells: %s", resource, error)


def _kill_shells_of(resource: str) -> None:
    """With the lock held: a start that is under way raises DeadlineError."""
    with record.lock(resource, Deadline(0)):
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
