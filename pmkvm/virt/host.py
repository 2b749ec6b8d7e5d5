# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host has for guests, as its libvirt tells. Changes nothing.

Any call may take for ever: callers put them into pmkvm.thread_call. What a driver can't tell is
left out.
"""

from __future__ import annotations

import os
from xml.etree import ElementTree

from pmkvm.light_types import NamedTuple
from pmkvm.virt.connection import ErrorCode, LibvirtError, check, libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from libvirtmod import _Handle

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


# VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE: an error instead of a number.
_NAME_WHAT_LACKS = 1


def networks(connection: Connection) -> dict[str, bool]:
    """Whether each is active. Raises LibvirtError."""
    handles = result(libvirtmod.virConnectListAllNetworks(connection.handle, 0))
    return {
        result(libvirtmod.virNetworkGetName(one)): libvirtmod.virNetworkIsActive(one) == 1
        for one in handles
    }


def pools(connection: Connection) -> dict[str, dict[str, str] | None]:
    """The volumes of each as libvirt has seen them last, by name, each with its path or what
    stands for it; None of one that is not active. Raises LibvirtError."""
    found: dict[str, dict[str, str] | None] = {}
    for pool in result(libvirtmod.virConnectListAllStoragePools(connection.handle, 0)):
        name = result(libvirtmod.virStoragePoolGetName(pool))
        is_active = libvirtmod.virStoragePoolIsActive(pool) == 1
        found[name] = _volumes(pool) if is_active else None
    return found


def _volumes(pool: _Handle) -> dict[str, str]:
    """Name and key come with the list: no call for each. The key of a file is its path."""
    return {
        result(libvirtmod.virStorageVolGetName(one)): result(libvirtmod.virStorageVolGetKey(one))
        for one in result(libvirtmod.virStoragePoolListAllVolumes(pool, 0))
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


def own_cpu(connection: Connection) -> str:
    """The host's, as libvirt's XML; empty where it names none. Raises LibvirtError."""
    capabilities = ElementTree.fromstring(
        result(libvirtmod.virConnectGetCapabilities(connection.handle))
    )
    cpu = capabilities.find("host/cpu")
    return "" if cpu is None else ElementTree.tostring(cpu, encoding="unicode")


def cpu_lack(connection: Connection, machine: tuple[str, str, str, str] | None, cpu: str) -> str:
    """Why a guest with this CPU (libvirt's XML) can't run there, empty if it can.

    machine: emulator, architecture, machine type and virtualization type; None: the CPU is that of
    another host. Raises LibvirtError if nobody can tell.
    """
    handle = connection.handle
    try:
        if machine is None:
            check(libvirtmod.virConnectCompareCPU(handle, cpu, _NAME_WHAT_LACKS))
        else:
            emulator, arch, kind, virtualization = (name or None for name in machine)
            check(
                libvirtmod.virConnectCompareHypervisorCPU(
                    handle, emulator, arch, kind, virtualization, cpu, _NAME_WHAT_LACKS
                )
            )
    except LibvirtError as error:
        if error.code != ErrorCode.CPU_INCOMPATIBLE:
            raise
        return str(error)
    return ""


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
