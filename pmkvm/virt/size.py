# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of a host a running guest takes."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.virt.connection import libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.virt.connection import Domain


class Size(NamedTuple):
    """memory_mib is what the guest may take at most, as `virsh dominfo` has it."""

    cpus: int
    memory_mib: int


def size_of(domain: Domain) -> Size:
    """Raises LibvirtError."""
    _state, max_memory_kib, _memory_kib, cpus, _cpu_time_ns = result(
        libvirtmod.virDomainGetInfo(domain.handle)
    )
    return Size(cpus, max_memory_kib // 1024)
