# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests need of each host and may not find there: files, volumes, networks, bridges. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from check.vm_check import needs
from check.vm_check.finding import Hinders, Kind, Severity
from pmkvm.virt import supply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Facts, Guest, HostFacts
    from check.vm_check.finding import Finding

_ERROR, _COMING = Severity.ERROR, Hinders.COMING
DISK_MISSING = Kind(
    "disk-missing",
    _ERROR,
    "A disk of the guest is not there on the host, under the path that its definition names.",
    "mount its storage on {host}, so that {path} is there as on the other hosts",
    _COMING,
)
ISO_MISSING = Kind(
    "iso-missing",
    _ERROR,
    "A medium in a drive of the guest, such as an ISO image, is not there on the host.",
    "`virsh change-media {subject} {drive} --eject --live --config`, or copy {path} to {host}",
    _COMING,
)
EMULATOR_MISSING = Kind(
    "emulator-missing",
    _ERROR,
    "The emulator that the guest's definition names is not installed on the host.",
    "install the package of {path} on {host}, or remove <emulator> from the definitions",
    _COMING,
)
FIRMWARE_MISSING = Kind(
    "firmware-missing",
    _ERROR,
    "The firmware that the guest's definition names is not installed on the host.",
    "install the package of {path} on {host} (ovmf, edk2-ovmf, qemu-ovmf-x86_64)",
    _COMING,
)
BOOT_FILE_MISSING = Kind(
    "boot-file-missing",
    _ERROR,
    "The kernel or the initrd that the guest's definition names is not there on the host.",
    "copy {path} to {host}, or put it on storage that all hosts share",
    _COMING,
)
VOLUME_MISSING = Kind(
    "volume-missing",
    _ERROR,
    "A volume of the guest is not in the host's storage pool, as far as libvirt has looked.",
    "on {host}: `virsh pool-refresh {pool}`, and `virsh vol-list {pool}` has to show {volume}",
    _COMING,
)
POOL_MISSING = Kind(
    "pool-missing",
    _ERROR,
    "The host's libvirt has no storage pool of a name that the guest's definition uses.",
    "`virsh pool-dumpxml {pool}` where it is, and `virsh pool-define` on {host}",
    _COMING,
)
POOL_INACTIVE = Kind(
    "pool-inactive",
    _ERROR,
    "A storage pool of the guest is not started on the host.",
    "on {host}: `virsh pool-start {pool}` and `virsh pool-autostart {pool}`; or give the resource"
    " start_resources=yes",
    _COMING,
)
NETWORK_MISSING = Kind(
    "network-missing",
    _ERROR,
    "The host's libvirt has no network of a name that the guest's definition uses.",
    "`virsh net-dumpxml {network}` where it is, and `virsh net-define` on {host}",
    _COMING,
)
NETWORK_INACTIVE = Kind(
    "network-inactive",
    _ERROR,
    "A network of the guest is not started on the host.",
    "on {host}: `virsh net-start {network}` and `virsh net-autostart {network}`; or give the"
    " resource start_resources=yes",
    _COMING,
)
BRIDGE_MISSING = Kind(
    "bridge-missing",
    _ERROR,
    "The host has no bridge of a name that the guest's definition uses.",
    "make the bridge {bridge} on {host}, as on the other hosts",
    _COMING,
)
KINDS = (
    *(DISK_MISSING, ISO_MISSING, EMULATOR_MISSING, FIRMWARE_MISSING, BOOT_FILE_MISSING),
    *(VOLUME_MISSING, POOL_MISSING, POOL_INACTIVE),
    *(NETWORK_MISSING, NETWORK_INACTIVE, BRIDGE_MISSING),
)
_OF_FILES = {
    needs.DISK: DISK_MISSING,
    needs.MEDIUM: ISO_MISSING,
    needs.EMULATOR: EMULATOR_MISSING,
    needs.FIRMWARE: FIRMWARE_MISSING,
    needs.BOOT_FILE: BOOT_FILE_MISSING,
}
# What the agent takes for yes.
_YES = ("1", "yes", "true", "on", "y", "t")


class _Place(NamedTuple):
    """A guest on a host."""

    guest: Guest
    node: str
    host: HostFacts


def findings(facts: Facts) -> Iterator[Finding]:
    for guest in facts.each():
        for node, host in facts.answering().items():
            place = _Place(guest, node, host)
            for root in definitions(facts, guest, node):
                yield from _files(place, root)
                yield from _pools(place, root)
                yield from _networks(place, root)


def definitions(facts: Facts, guest: Guest, node: str) -> list[Element]:
    """What the guest would be on that host: what it is while it runs, which a live move brings
    along, else what is defined there, else what is defined elsewhere."""
    known = facts.domains(guest.domain)
    live = next((each.live for each in known.values() if each.live is not None), None)
    if live is not None:
        return [live]
    own = known[node].inactive if node in known else None
    root = facts.definition(guest) if own is None else own
    return [] if root is None else [root]


def _files(place: _Place, root: Element) -> Iterator[Finding]:
    seen: set[tuple[Kind, str]] = set()
    for file in needs.files(root):
        lack, kind = place.host.paths.get(file.path, ""), _OF_FILES[file.kind]
        if lack and (kind, file.path) not in seen:
            seen.add((kind, file.path))
            yield kind.finding(
                place.guest.domain,
                f"{file.what} {file.path}: {lack}, on {place.node}",
                host=place.node,
                path=file.path,
                drive=file.what.rpartition(" ")[2],
            )


def _pools(place: _Place, root: Element) -> Iterator[Finding]:
    domain, node, host = place.guest.domain, place.node, place.host
    for name in supply.needed(root).pools:
        if name not in host.pools:
            yield POOL_MISSING.finding(domain, f"{node} has no pool {name}", host=node, pool=name)
        elif not host.pools[name] and not _starts_them(place.guest):
            text = f"pool {name} is not started on {node}"
            yield POOL_INACTIVE.finding(domain, text, host=node, pool=name)
    for pool, volume in needs.volumes(root):
        if host.pools.get(pool) and volume not in host.volumes.get(pool, ()):
            text = f"{node} has no volume {volume} in its pool {pool}"
            yield VOLUME_MISSING.finding(domain, text, host=node, pool=pool, volume=volume)


def _networks(place: _Place, root: Element) -> Iterator[Finding]:
    domain, node, host = place.guest.domain, place.node, place.host
    for name in supply.needed(root).networks:
        if name not in host.networks:
            text = f"{node} has no network {name}"
            yield NETWORK_MISSING.finding(domain, text, host=node, network=name)
        elif not host.networks[name] and not _starts_them(place.guest):
            text = f"network {name} is not started on {node}"
            yield NETWORK_INACTIVE.finding(domain, text, host=node, network=name)
    for name in needs.bridges(root):
        if host.paths.get(needs.bridge_path(name), ""):
            text = f"{node} has no bridge {name}"
            yield BRIDGE_MISSING.finding(domain, text, host=node, bridge=name)


def _starts_them(guest: Guest) -> bool:
    return guest.parameters.get("start_resources", "").lower() in _YES
