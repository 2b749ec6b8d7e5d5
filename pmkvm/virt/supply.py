# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest takes from its host: libvirt's storage pools and networks."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.virt.connection import ErrorCode, LibvirtError, check, libvirtmod, result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from pmkvm.virt.connection import Connection


class Supply(NamedTuple):
    """Names of pools and networks."""

    pools: tuple[str, ...]
    networks: tuple[str, ...]


def needed(root: Element) -> Supply:
    """What a domain's definition names: volumes of pools, and interfaces of networks."""
    sources = [*root.iterfind("devices/disk/source"), *root.iterfind("devices/interface/source")]
    return Supply(
        tuple(sorted({one.attrib["pool"] for one in sources if one.get("pool")})),
        tuple(sorted({one.attrib["network"] for one in sources if one.get("network")})),
    )


def start_pool(connection: Connection, name: str) -> None:
    """Start it, or have an active one look for new volumes. Raises LibvirtError."""
    pool = result(libvirtmod.virStoragePoolLookupByName(connection.handle, name))
    if libvirtmod.virStoragePoolIsActive(pool) == 1:
        check(libvirtmod.virStoragePoolRefresh(pool, 0))
    else:
        check(libvirtmod.virStoragePoolCreate(pool, 0))


def start_network(connection: Connection, name: str) -> None:
    """Start it unless it is active. Raises LibvirtError."""
    network = result(libvirtmod.virNetworkLookupByName(connection.handle, name))
    if libvirtmod.virNetworkIsActive(network) != 1:
        check(libvirtmod.virNetworkCreate(network))


def has_pool(connection: Connection, name: str) -> bool:
    """Whether libvirt knows it, active or not. Raises LibvirtError if it can't say."""
    return _is_known(libvirtmod.virStoragePoolLookupByName(connection.handle, name))


def has_network(connection: Connection, name: str) -> bool:
    """As has_pool."""
    return _is_known(libvirtmod.virNetworkLookupByName(connection.handle, name))


def _is_known(handle: object | None) -> bool:
    try:
        result(handle)
    except LibvirtError as error:
        if error.code in (ErrorCode.NO_NETWORK, ErrorCode.NO_STORAGE_POOL):
            return False
        raise
    return True
