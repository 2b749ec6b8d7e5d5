# SPDX-License-Identifier: GPL-2.0-or-later
"""What the live XML of a running domain says of its channel to us. Pure."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree

from pmkvm.virt.definition import PORT_NAME, ports


class Domain(NamedTuple):
    """A running domain; path is its channel's socket, problem why there is none to connect to."""

    name: str
    uuid: str
    path: str
    problem: str = ""


def parse(definition: str) -> Domain:
    """Raises ValueError for what is no domain."""
    try:
        root = ElementTree.fromstring(definition)
    except ElementTree.ParseError as error:
        raise ValueError(f"libvirt's definition is no XML: {error}") from error
    name, uuid = root.findtext("name"), root.findtext("uuid")
    if root.tag != "domain" or not name or not uuid:
        raise ValueError("libvirt's definition is no domain's")
    channels = ports(root)
    if not channels:
        return Domain(name, uuid.lower(), "", f"it has no channel named {PORT_NAME}")
    if len(channels) > 1:
        return Domain(name, uuid.lower(), "", f"it has {len(channels)} channels {PORT_NAME}")
    source = channels[0].find("source")
    if channels[0].get("type") != "unix" or source is None or source.get("mode") != "bind":
        return Domain(name, uuid.lower(), "", "its channel is no unix socket of mode bind")
    path = source.get("path", "")
    return Domain(name, uuid.lower(), path, "" if path else "its channel has no path")
