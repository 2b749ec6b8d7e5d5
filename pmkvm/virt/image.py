# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's memory in a file: saved, and restored with its CPUs stopped."""

from __future__ import annotations

from pmkvm.virt.connection import check, libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.virt.connection import Connection, Domain

_RUNNING = 2  # VIR_DOMAIN_SAVE_RUNNING: the guest is to run when it is restored
_PAUSED = 4  # VIR_DOMAIN_SAVE_PAUSED


def save(domain: Domain, path: str) -> None:
    """Returns when the whole memory is in the file; the guest's life is over then."""
    check(libvirtmod.virDomainSaveFlags(domain.handle, path, None, _RUNNING))


def description(connection: Connection, path: str) -> str:
    """The XML of the domain that a file holds."""
    return result(libvirtmod.virDomainSaveImageGetXMLDesc(connection.handle, path, 0))


def restore_paused(connection: Connection, path: str) -> None:
    """The file stays: whoever resumes the guest removes it."""
    check(libvirtmod.virDomainRestoreFlags(connection.handle, path, None, _PAUSED))
