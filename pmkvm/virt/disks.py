# SPDX-License-Identifier: GPL-2.0-or-later
"""The disks that hold a guest's data, as libvirt's XML names them, live or defined. Pure.

What a person does to a running guest (a snapshot of its disks, a block copy, a hot-plug) changes
the live disks. A start by a definition that does not name them goes on from older data.
"""

from __future__ import annotations

from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree.ElementTree import Element

# A medium in a drive is changed at will.
_WITH_DATA = ("disk", "lun")
_DRIVES = ("cdrom", "floppy")
# What says where an image is, in a <source>. All else there is how it is opened, or generated.
_NAMING = (
    *("protocol", "file", "dev", "dir", "path", "pool", "volume", "name", "query"),
    "namespace",
)
_ADDRESS = ("domain", "bus", "slot", "function")
# libvirt writes the port that a protocol has by itself into the live XML alone.
_PORTS = {
    "nbd": "10809",
    "iscsi": "3260",
    "gluster": "24007",
    "sheepdog": "7000",
    "vxhs": "9999",
    "nfs": "2049",
    "ssh": "22",
    "http": "80",
    "https": "443",
    "ftp": "21",
    "ftps": "990",
    "tftp": "69",
}
_DIGITS = 8
# No guest has so many.
_MOST_DISKS = 200
_LONGEST_IMAGE = 200


class Disk(NamedTuple):
    """Its name in the guest, the image that the guest writes to, and the images below that one."""

    target: str
    image: str
    below: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.target} {self.image}"


class LastDisks(NamedTuple):
    """What all hosts are told of live disks that some definition does not name: a digest of each
    image, and the first disk that differs."""

    digests: tuple[str, ...]
    first: str

    def to_text(self) -> str:
        from urllib.parse import quote

        known = ",".join(self.digests[:_MOST_DISKS])
        return f"{known} {quote(self.first[:_LONGEST_IMAGE], safe='/')}"

    def are_in(self, defined: Sequence[Disk]) -> bool:
        """Whether a definition names them all; more disks than these do no harm."""
        return set(self.digests) <= set(digests(defined))


def last_disks(text: str) -> LastDisks:
    """As to_text() wrote it. What it did not write is in no definition."""
    from urllib.parse import unquote

    known, _, first = text.partition(" ")
    return LastDisks(tuple(filter(None, known.split(","))), unquote(first))


def of(root: Element) -> tuple[Disk, ...]:
    """Those that keep what is written to them."""
    return tuple(_disks(root, _WITH_DATA))


def media(root: Element) -> tuple[Disk, ...]:
    """What lies in its drives."""
    return tuple(_disks(root, _DRIVES))


def digests(disks: Sequence[Disk]) -> tuple[str, ...]:
    """Alike for the same images, whatever they are called in the guest."""
    import hashlib

    found = (hashlib.sha256(disk.image.encode(errors="replace")).hexdigest() for disk in disks)
    return tuple(sorted({text[:_DIGITS] for text in found}))


def first_difference(live: Sequence[Disk], defined: Sequence[Disk]) -> Disk | None:
    """The first live disk that is not defined so, or the first defined one that is not live.

    A definition may leave out what lies below an image, or name the first few.
    """
    twins = {disk.image: disk for disk in defined}
    for disk in live:
        twin = twins.pop(disk.image, None)
        if twin is None or twin.below != disk.below[: len(twin.below)]:
            return disk
    return next(iter(twins.values()), None)


def are_missing(live: Sequence[Disk], defined: Sequence[Disk]) -> bool:
    """Whether a definition does not name all images that the guest writes to."""
    return not {disk.image for disk in live} <= {disk.image for disk in defined}


def are_older(live: Sequence[Disk], defined: Sequence[Disk]) -> bool:
    """Whether a defined image lies below one that the guest writes to by now."""
    images = {disk.image for disk in live}
    below = {image for disk in live for image in disk.below} - images
    return any(disk.image in below for disk in defined)


def _disks(root: Element, devices: Sequence[str]) -> Iterator[Disk]:
    for element in root.iterfind("devices/disk"):
        target = element.find("target")
        images = list(_images(element))
        if element.get("device", "disk") in devices and images and not _may_be_left_out(element):
            name = "" if target is None else target.get("dev", "")
            yield Disk(name, images[0], tuple(images[1:]))


def _may_be_left_out(disk: Element) -> bool:
    """What a transient disk is given is thrown away, with the image that libvirt made for it. One
    that is optional is not in a guest that has started without it."""
    source = disk.find("source")
    policy = "" if source is None else source.get("startupPolicy", "")
    is_drive = disk.get("device") in _DRIVES
    return disk.find("transient") is not None or (
        policy in ("optional", "requisite") and not is_drive
    )


def _images(disk: Element) -> Iterator[str]:
    """From the top down. A copy that is under way (<mirror>) is none yet."""
    layer: Element | None = disk
    while layer is not None:
        source = layer.find("source")
        image = "" if source is None else _image(source)
        if not image:
            return
        yield image
        layer = layer.find("backingStore")


def _image(source: Element) -> str:
    words = [source.get(name, "") for name in _NAMING]
    protocol = source.get("protocol", "")
    for host in source.iterfind("host"):
        port = host.get("port", "")
        own = "" if port == _PORTS.get(protocol) else port
        words += [":".join(filter(None, (host.get("name", ""), host.get("socket", ""), own)))]
    for address in source.iterfind("address"):
        words += [":".join(_number(address.get(name, "0")) for name in _ADDRESS)]
    words += [f"@{each.get('name', '')}" for each in source.iterfind("snapshot")]
    return " ".join(filter(None, words))


def _number(text: str) -> str:
    """libvirt writes 0x0000 for a person's 0."""
    try:
        return str(int(text, 0))
    except ValueError:
        return text
