# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests need of a host, by their definitions: files, bridges, volumes, CPUs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from pmkvm import settings
from pmkvm.virt import private_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Domain, HostFacts

EMULATOR, FIRMWARE, BOOT_FILE, DISK, MEDIUM = "emulator", "firmware", "boot file", "disk", "medium"
_DRIVES = ("cdrom", "floppy")
_OPTIONAL = ("optional", "requisite")


class File(NamedTuple):
    """A path that QEMU opens. kind: one of those above. what: for a person, such as "disk vda"."""

    kind: str
    what: str
    path: str


class Volume(NamedTuple):
    pool: str
    name: str


class Cpu(NamedTuple):
    """machine: emulator, architecture, machine type and virtualization type; None for that of a
    host itself. cpu: libvirt's XML."""

    machine: tuple[str, str, str, str] | None
    cpu: str


class Needs(NamedTuple):
    """cpus: by domain."""

    paths: tuple[str, ...]
    cpus: Mapping[str, Cpu]


def files(root: Element) -> Iterator[File]:
    """What must be there for a start, and where a live move ends."""
    named = [("devices/emulator", EMULATOR, "emulator"), ("os/loader", FIRMWARE, "firmware")]
    named += [(f"os/{tag}", BOOT_FILE, tag) for tag in ("kernel", "initrd")]
    for place, kind, what in named:
        path = (root.findtext(place) or "").strip()
        if path.startswith("/"):
            yield File(kind, what, path)
    for disk in root.iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is None or source.get("startupPolicy") in _OPTIONAL:
            continue
        path = source.get("file") or source.get("dev") or ""
        kind = MEDIUM if disk.get("device") in _DRIVES else DISK
        if path.startswith("/"):
            name = "" if target is None else target.get("dev", "")
            yield File(kind, f"{kind} {name}".rstrip(), path)


def bridges(root: Element) -> list[str]:
    """Of the host, that its interfaces are put into."""
    found = root.iterfind("devices/interface/source[@bridge]")
    return sorted({each.get("bridge", "") for each in found if not each.get("network")})


def bridge_path(name: str) -> str:
    """A file that is there as long as that network device is."""
    return f"{settings.NETWORK_DEVICES}/{name}/ifindex"


def volumes(root: Element) -> list[Volume]:
    found = root.iterfind("devices/disk/source[@pool]")
    return sorted({Volume(each.get("pool", ""), each.get("volume", "")) for each in found})


def cpu(root: Element, host_cpu: str) -> Cpu | None:
    """Of one that runs, or will. None where any host does: libvirt's default, or what is made of
    the host's own at the start."""
    element, kind = root.find("cpu"), root.find("os/type")
    if element is None or kind is None:
        return None
    if element.get("mode") in ("host-passthrough", "maximum"):
        return Cpu(None, host_cpu) if host_cpu else None
    if element.get("mode", "custom") != "custom" or element.find("model") is None:
        return None
    emulator = (root.findtext("devices/emulator") or "").strip()
    machine = (emulator, kind.get("arch", ""), kind.get("machine", ""), root.get("type", ""))
    return Cpu(machine, ElementTree.tostring(element, encoding="unicode"))


def of_all(hosts: Iterable[HostFacts], files_too: Iterable[str]) -> Needs:
    """Of all domains of these hosts, whoever manages them; files_too: paths besides."""
    paths = {path for path in files_too if path.startswith("/")}
    cpus: dict[str, Cpu] = {}
    for host in hosts:
        for domain in host.domains.values():
            for root in filter(None, (domain.inactive, domain.live)):
                paths.update(file.path for file in files(root))
                paths.update(map(bridge_path, bridges(root)))
                paths.update(state.path for state in private_state.of(root))
            wanted = _cpu_of(domain, host.cpu)
            if wanted is not None and (domain.runs or domain.name not in cpus):
                cpus[domain.name] = wanted
    return Needs(tuple(sorted(paths)), cpus)


def _cpu_of(domain: Domain, host_cpu: str) -> Cpu | None:
    if domain.live is not None:
        return cpu(domain.live, host_cpu)
    return None if domain.inactive is None else cpu(domain.inactive, "")
