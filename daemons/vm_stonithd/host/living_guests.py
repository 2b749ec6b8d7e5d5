# SPDX-License-Identifier: GPL-2.0-or-later
"""All guests of which a QEMU lives on this host, by the witnesses that a fence asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmkvm import files, process, settings
from pmkvm.virt import pid_file, qemu, record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from pmkvm.process import Life

    Stamps = tuple[Optional[files.Stamp], ...]


def look(known: Mapping[Life, str]) -> dict[Life, str]:
    """Each living QEMU, with the uuid of its guest. Raises OSError: what was not seen is not gone.

    known: lives that were found before and have not ended. Whose such a one is has been asked, and
    what it says of itself by now changes nothing.
    """
    found = dict(known)
    for each in qemu.every():
        if each.life not in found and qemu.counts(each):
            found[each.life] = each.guest.uuid
    for remembered in record.every():
        identity = remembered.identity
        if not identity.is_qemu or not identity.uuid:
            continue
        # Who is the guest whatever its command line has said from the beginning.
        for life in filter(None, (remembered.life, pid_file.life_of(identity.name))):
            if life not in found and process.is_alive(life):
                found[life] = identity.uuid
    return found


def stamps() -> Stamps:
    """Other ones once libvirt, or an agent, has written something down: libvirt does whenever a
    QEMU begins, ends, or changes its state."""
    return tuple(map(files.stamp, (settings.LIBVIRT_PID_DIR, settings.domain_run_dir())))
