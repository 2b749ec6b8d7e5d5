# SPDX-License-Identifier: GPL-2.0-or-later
"""Which domain a resource is: name, uuid and kind, read from its definition.

Owns the reading of libvirt's domain XML; asks neither libvirt nor the process table.
"""

from __future__ import annotations

import os

from pmkvm.errors import HaError
from pmkvm.lean import NamedTuple

# The hypervisor drivers of libvirt whose guests are QEMU processes of this host.
_QEMU_TYPES = ("kvm", "qemu", "hvf")
_HEX = frozenset("0123456789abcdef")


class DefinitionError(HaError):
    """A domain definition that can't be used."""


class Identity(NamedTuple):
    """A domain. uuid is empty where the definition leaves it to libvirt."""

    name: str
    uuid: str
    is_qemu: bool


def read_identity(path: str) -> Identity:
    """The domain that a definition file describes.

    Raises OSError if it can't be read, DefinitionError if it is no domain's definition.
    """
    with open(path, "rb") as file:
        return parse_identity(file.read(), path)


def parse_identity(definition: bytes, where: str) -> Identity:
    """The domain that a definition describes; where it came from is for the error's text."""
    # Here and not on top: a recurring monitor remembers its guest and reads no XML.
    import xml.etree.ElementTree as ET

    try:
        root = ET.fromstring(definition)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise DefinitionError(f"{where}: not XML: {error}") from error
    if root.tag != "domain":
        raise DefinitionError(f"{where}: the root element is <{root.tag}>, not <domain>")
    name = (root.findtext("name") or "").strip()
    if not name or "/" in name:
        raise DefinitionError(f"{where}: <name> is {name!r}, no name for a domain")
    return Identity(
        name, parse_uuid(root.findtext("uuid") or "", where), root.get("type") in _QEMU_TYPES
    )


def parse_uuid(text: str, where: str) -> str:
    """A uuid in the form in which libvirt prints it; libvirt takes it with and without dashes."""
    digits = text.strip().lower().replace("-", "").replace(" ", "")
    if not digits:
        return ""
    if len(digits) != 32 or not _HEX.issuperset(digits):  # noqa: PLR2004 - 128 bits
        raise DefinitionError(f"{where}: <uuid> is {text.strip()!r}, which is none")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def name_from_path(path: str) -> str:
    """libvirt names a definition's file after its domain: the guess where it can't be read."""
    return os.path.basename(path).rpartition(".")[0] or os.path.basename(path)
