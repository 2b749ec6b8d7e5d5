# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's managed save: a guest's memory that libvirt restores by itself at the next start.

`virsh managedsave` makes one, libvirt-guests.service and libvirt's auto_shutdown do when a host
goes down. It belongs to the disks of that moment: where the guest has run elsewhere since, the old
memory would be written over them.

The file decides: libvirt restores what lies there. Its own word is the second witness, since it
may keep its files elsewhere.
"""

from __future__ import annotations

import os

from pmkvm import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.virt.connection import Domain


def file_of(name: str) -> str:
    """Of the domain on this host, empty if there is none. Asks no libvirt."""
    path = os.path.join(settings.LIBVIRT_SAVE_DIR, f"{name}.save")
    return path if os.path.lexists(path) else ""


def describe(name: str, domain: Domain | None, *, is_here: bool) -> str:
    """That there is one, and how a person drops it; empty if there is none. Raises LibvirtError.

    domain: as libvirt has it, None where it has none or was not asked. is_here: it is a domain of
    this host's QEMU.
    """
    if domain is not None and domain.is_saved():
        return _text("libvirt keeps a saved memory of it", name)
    path = file_of(name) if is_here else ""
    if not path:
        return ""
    # libvirtd sees a file that was put there when it starts anew, and restores it unseen.
    return f"{_text(f'a saved memory of it is in {path}', name)}, or `rm` if virsh knows of none"


def _text(what: str, name: str) -> str:
    return f"{what}, maybe older than its disks: `virsh managedsave-remove {name}` drops it"
