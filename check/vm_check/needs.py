# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests need of a host, by their definitions: files, bridges, CPUs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from pmkvm import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from check.vm_check.facts import Domain


class File(NamedTuple):
    """A path that QEMU opens. what: for a person, such as "disk vda"."""

    what: str
    path: str


class Cpu(NamedTuple):
    """machine: emulator, architecture, machine type, virtualization type. cpu: libvirt's XML."""

    machine: tuple[str, str, str, str]
    cpu: str


class Needs(NamedTuple):
    paths: tuple[str, ...]
    cpus: Mapping[str, Cpu]


def files(root: Element) -> Iterator[File]:
    """What must be there for a start, and for the end of a live move."""
    emulator = (root.findtext("devices/emulator") or "").strip()
    if emulator.startswith("/"):
        yield File("emulator", emulator)
    for tag in ("loader", "kernel", "initrd"):
        path = (root.findtext(f"os/{tag}") or "").strip()
        if path.startswith("/"):
            yield File({"loader": "firmware"}.get(tag, tag), path)
    for disk in root.iterfind("devices/disk"):
        yield from _disk(disk)


def _disk(disk: Element) -> Iterator[File]:
    source, target = disk.find("source"), disk.find("target")
    if source is None or source.get("startupPolicy") in ("optional", "requisite"):
        return
    path = source.get("file") or source.get("dev") or ""
    kind = "medium" if disk.get("device") in ("cdrom", "floppy") else "disk"
    name = "" if target is None else target.get("dev", "")
    if path.startswith("/"):
        yield File(f"{kind} {name}".rstrip(), path)


def bridges(root: Element) -> list[str]:
    """Of the host, that its interfaces are put into."""
    found = root.iterfind("devices/interface/source[@bridge]")
    return sorted({each.get("bridge", "") for each in found if not each.get("network")})


def bridge_path(name: str) -> str:
    """A file that is there as long as that network device is."""
    return f"{settings.NETWORK_DEVICES}/{name}/ifindex"


def cpu(root: Element) -> Cpu | None:
    """None where every host has it: libvirt's default, or the host's own whatever it is."""
    element, kind = root.find("cpu"), root.find("os/type")
    if element is None or kind is None or element.get("mode", "custom") != "custom":
        return None
    if element.find("model") is None and element.find("feature") is None:
        return None
    emulator = (root.findtext("devices/emulator") or "").strip()
    machine = (emulator, kind.get("arch", ""), kind.get("machine", ""), root.get("type", ""))
    return Cpu(machine, ElementTree.tostring(element, encoding="unicode"))


def of_all(hosts: Iterable[Mapping[str, Domain]]) -> Needs:
    """Of all domains of these hosts, whoever manages them."""
    paths: set[str] = set()
    cpus: dict[str, Cpu] = {}
    for domains in hosts:
        for name, domain in domains.items():
            for root in (domain.inactive, domain.live):
                if root is None:
                    continue
                paths.update(file.path for file in files(root))
                paths.update(map(bridge_path, bridges(root)))
                wanted = cpu(root)
                if wanted is not None and (name not in cpus or root is domain.live):
                    cpus[name] = wanted
    return Needs(tuple(sorted(paths)), cpus)
