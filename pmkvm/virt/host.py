# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host has for guests, as its libvirt tells. Changes nothing.

Any call may take for ever: callers put them into pmkvm.thread_call. What a driver can't tell is
left out.
"""

from __future__ import annotations

import os

from pmkvm.light_types import IntEnum, NamedTuple
from pmkvm.virt.connection import ErrorCode, LibvirtError, check, libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pmkvm.virt.connection import Connection

    T = TypeVar("T")


class Capacity(NamedTuple):
    """Of the host: memory, and processors that are on."""

    memory_kib: int
    free_kib: int
    processors: int


class Versions(NamedTuple):
    """major * 1,000,000 + minor * 1,000 + release each."""

    libvirt: int
    hypervisor: int


class _Compared(IntEnum):
    """virCPUCompareResult."""

    INCOMPATIBLE = 0


def networks(connection: Connection) -> dict[str, bool]:
    """Whether each is active. Raises LibvirtError."""
    handles = result(libvirtmod.virConnectListAllNetworks(connection.handle, 0))
    return {
        result(libvirtmod.virNetworkGetName(one)): libvirtmod.virNetworkIsActive(one) == 1
        for one in handles
    }


def pools(connection: Connection) -> dict[str, bool]:
    """As networks()."""
    handles = result(libvirtmod.virConnectListAllStoragePools(connection.handle, 0))
    return {
        result(libvirtmod.virStoragePoolGetName(one)): libvirtmod.virStoragePoolIsActive(one) == 1
        for one in handles
    }


def capacity(connection: Connection) -> Capacity:
    """free_kib counts what the kernel keeps as a cache as free. Raises LibvirtError."""
    info = result(libvirtmod.virNodeGetInfo(connection.handle))
    stats = result(libvirtmod.virNodeGetMemoryStats(connection.handle, -1, 0))
    free = stats.get("free", 0) + stats.get("cached", 0) + stats.get("buffers", 0)
    return Capacity(stats.get("total", 0), free, int(info[2]))


def versions(connection: Connection) -> Versions:
    """Raises LibvirtError."""
    return Versions(
        check(libvirtmod.virConnectGetLibVersion(connection.handle)),
        check(libvirtmod.virConnectGetVersion(connection.handle)),
    )


def capabilities(connection: Connection) -> str:
    """XML. Raises LibvirtError."""
    return result(libvirtmod.virConnectGetCapabilities(connection.handle))


def has_cpu(connection: Connection, machine: tuple[str, str, str, str], cpu: str) -> bool:
    """Whether a guest with this CPU (libvirt's XML) could run there.

    machine: emulator, architecture, machine type and virtualization type. Raises LibvirtError.
    """
    compared = check(libvirtmod.virConnectCompareHypervisorCPU(connection.handle, *machine, cpu, 0))
    return compared != _Compared.INCOMPATIBLE


def lack(connection: Connection, path: str) -> str:
    """Why that path of the host can't be opened, empty if it can. Raises LibvirtError if nobody
    can tell.

    libvirt is asked for what a saved guest in it says of itself, which reads the first bytes of
    the file alone: one that is none is there.
    """
    try:
        result(libvirtmod.virDomainSaveImageGetXMLDesc(connection.handle, path, 0))
    except LibvirtError as error:
        if error.code == ErrorCode.SYSTEM_ERROR and error.errno:
            return os.strerror(error.errno)
        if error.code in (ErrorCode.OPERATION_FAILED, ErrorCode.INTERNAL_ERROR):
            return ""
        raise
    return ""


def or_else(default: T, ask: Callable[[], T]) -> T:
    """Not every hypervisor can tell everything."""
    try:
        return ask()
    except LibvirtError:
        return default
