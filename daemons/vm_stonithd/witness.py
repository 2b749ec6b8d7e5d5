# SPDX-License-Identifier: GPL-2.0-or-later
"""What else than the ban says which domain a resource is on this host. Pure.

The ban's uuid comes from one host's definition or from a token. A definition may be edited, removed
or replaced while the guest runs, and then the guest is not found under that uuid. So three more
witnesses are heard: this host's own definition, its record of the guest that it started, and every
QEMU of the domain's name. Whoever names another uuid is believed: a life of another uuid is not
killed, since nobody has asked for it, and the target is not called dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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


def difference(uuid: str, witnesses: Witnesses) -> str:
    """Who says that the domain has another uuid than this, for a person; empty if nobody does."""
    defined, remembered = witnesses.defined, witnesses.remembered
    # A record of a life that is over says nothing about the next one.
    if remembered is not None and witnesses.remembered_pid and remembered.uuid not in ("", uuid):
        pid = witnesses.remembered_pid
        return f"its guest runs in QEMU {pid} under uuid {remembered.uuid}, not {uuid}"
    if defined is not None and defined.uuid not in ("", uuid):
        return f"its definition here has uuid {defined.uuid}, not {uuid}"
    for each in witnesses.strangers:
        its = each.guest
        return f"QEMU {each.life.pid} named {its.name!r} runs under uuid {its.uuid}, not {uuid}"
    return ""
