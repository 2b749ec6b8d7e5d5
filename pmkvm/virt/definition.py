# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's domain XML as people write it: its bytes to text, its text to a tree.

Asks neither libvirt nor the process table, and no other file: external entities are refused, as
are declared ones, which may make gigabytes of a few lines.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from xml.parsers import expat

from pmkvm import files
from pmkvm.virt.identity import DefinitionError, Identity, parse_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# What libvirt's protocol carries in one string (REMOTE_STRING_MAX): it takes none that is longer.
LONGEST = 4 << 20
# The hypervisor drivers of libvirt whose guests are QEMU processes of this host.
_QEMU_TYPES = ("kvm", "qemu", "hvf")
# The channel of vm-connectd, by the name that the guest sees.
PORT_NAME = "vmconnectd"
# What begins the text says how the rest is coded (XML 1.0, appendix F).
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*\?>")
_ENCODING = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
# Read again by libvirt, a prefix stays what people know it by.
_NAMESPACES = {
    "qemu": "http://libvirt.org/schemas/domain/qemu/1.0",
    "lxc": "http://libvirt.org/schemas/domain/lxc/1.0",
    "xen": "http://libvirt.org/schemas/domain/xen/1.0",
    "bhyve": "http://libvirt.org/schemas/domain/bhyve/1.0",
    "libosinfo": "http://libosinfo.org/xmlns/libvirt/domain/1.0",
}


def read_identity(path: str) -> Identity:
    """The domain that a definition file describes.

    Raises OSError if it can't be read, DefinitionError if it is no domain's definition.
    """
    return parse_identity(read(path), path)


def parse_identity(definition: bytes, where: str) -> Identity:
    """The domain that a definition describes; where it came from is for the error's text."""
    return identity_of(parse(definition, where), where)


def read(path: str) -> bytes:
    """Raises OSError, also for what is longer than any domain's definition."""
    return files.read_whole(path, LONGEST)


def decode(definition: bytes, where: str) -> str:
    """The text, without a declaration of its encoding: libvirt is given UTF-8.

    Raises DefinitionError for bytes that are not what they are declared to be.
    """
    encoding = next((name for mark, name in _MARKS if definition.startswith(mark)), "")
    if not encoding:
        declared = _ENCODING.match(definition.lstrip()[:200])
        encoding = declared[1].decode("ascii") if declared else "utf-8"
    try:
        text = definition.decode(encoding).lstrip("\ufeff")
    except LookupError as error:
        raise DefinitionError(f"{where}: its encoding {encoding!r} is unknown") from error
    except UnicodeError as error:
        raise DefinitionError(
            f"{where}: not {encoding.upper()} ({error}): save it as UTF-8 or declare its encoding"
        ) from error
    return _DECLARATION.sub("", text, count=1)


def parse(definition: bytes, where: str) -> ET.Element:
    """The root of a domain's definition. Raises DefinitionError."""
    text = decode(definition, where)
    _refuse_entities(text, where)
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise DefinitionError(f"{where}: not XML: {error}") from error
    if root.tag != "domain":
        raise DefinitionError(f"{where}: the root element is <{root.tag}>, not <domain>")
    return root


def identity_of(root: ET.Element, where: str) -> Identity:
    """Raises DefinitionError."""
    name = (root.findtext("name") or "").strip()
    if not name or "/" in name or not name.isprintable():
        raise DefinitionError(f"{where}: <name> is {name!r}, no name for a domain")
    return Identity(
        name, parse_uuid(root.findtext("uuid") or "", where), root.get("type") in _QEMU_TYPES
    )


def ports(root: ET.Element) -> list[ET.Element]:
    """The channels of that name."""
    wanted = f"target[@type='virtio'][@name='{PORT_NAME}']"
    return [each for each in root.iterfind("devices/channel") if each.find(wanted) is not None]


def place_of_difference(one: ET.Element, other: ET.Element) -> str | None:
    """The path to the first element in which they differ; None when they say the same."""
    mine, its = (
        (each.tag, each.attrib, (each.text or "").strip(), [child.tag for child in each])
        for each in (one, other)
    )
    if mine != its:
        return f"<{one.tag}>"
    places = map(place_of_difference, one, other)
    return next((f"<{one.tag}>{place}" for place in places if place), None)


def write(root: ET.Element) -> str:
    """The tree as text again; comments are gone, and nothing that libvirt reads."""
    for prefix, uri in _NAMESPACES.items():
        ET.register_namespace(prefix, uri)
    return ET.tostring(root, encoding="unicode")


def _refuse_entities(text: str, where: str) -> None:
    """Whatever they hold: neither libvirt nor a person writes any into a definition."""

    def refuse(name: str, *_declaration: object) -> NoReturn:
        raise DefinitionError(
            f"{where}: declares the entity {name!r}: write out what it stands for"
        )

    parser = expat.ParserCreate("utf-8")
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode(errors="replace"), True)
    except expat.ExpatError:
        # Said better by who builds the tree.
        return
