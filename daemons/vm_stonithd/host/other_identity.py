# SPDX-License-Identifier: GPL-2.0-or-later
"""What else than the ban says which domain a resource is on this host. Pure.

The ban's uuid comes from one host's definition or from a token. A definition may be edited, removed
or replaced while the guest runs, and then the guest is not found under that uuid. So three more
witnesses are heard: this host's own definition, its record of the guest that it started, and every
QEMU of the domain's name. Whoever names another uuid is believed: a life of another uuid is not
killed, since nobody has asked for it, and the target is not called dead. Nor is a guest of another
hypervisor, or of another machine's (the parameter hypervisor), of which this host's process table
says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daemons.vm_stonithd.model.events import Doubt
from daemons.vm_stonithd.model.host_report import Objection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmkvm.virt.identity import Identity
    from pmkvm.virt.qemu import Qemu


class Witnesses(NamedTuple):
    """defined: the domain by its definition on this host, None if that can't be told. remembered:
    by the record of its last start or arrival here, None if there is none; remembered_pid: of its
    QEMU, if that lives. strangers: living QEMUs of one of these names and another uuid than the
    ban's."""

    defined: Identity | None = None
    remembered: Identity | None = None
    remembered_pid: int | None = None
    strangers: Sequence[Qemu] = ()


def doubt(uuid: str, witnesses: Witnesses) -> Doubt | None:
    """Who says that the resource's guest is not to be found as a QEMU of this uuid, if anybody."""
    defined, remembered = witnesses.defined, witnesses.remembered
    for each in filter(None, (remembered, defined)):
        if not each.is_qemu:
            return Doubt(Objection.FOREIGN, f"{each.name} is no QEMU of this host")
    other = _other_uuid(uuid, witnesses)
    return Doubt(Objection.DIFFERS, f"{other}, not {uuid}") if other else None


def _other_uuid(uuid: str, witnesses: Witnesses) -> str:
    defined, remembered = witnesses.defined, witnesses.remembered
    # A record of a life that is over says nothing about the next one.
    if remembered is not None and witnesses.remembered_pid and remembered.uuid not in ("", uuid):
        return f"its guest runs in QEMU {witnesses.remembered_pid} under uuid {remembered.uuid}"
    if defined is not None and defined.uuid not in ("", uuid):
        return f"its definition here has uuid {defined.uuid}"
    for each in witnesses.strangers:
        its = each.guest
        return f"QEMU {each.life.pid} named {its.name!r} runs under uuid {its.uuid}"
    return ""
