# SPDX-License-Identifier: GPL-2.0-or-later
"""Which resources of the cluster are guests, from the CIB's resources. Pure."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree

from pmkvm.pacemaker.errors import BadAnswerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT = "VirtualDomain"
PROVIDERS = ("extra", "heartbeat")


class GuestResource(NamedTuple):
    """A VirtualDomain primitive; config is the path of its definition."""

    id: str
    config: str


def parse(document: str) -> tuple[GuestResource, ...]:
    """Of a CIB, or of its resources alone. Groups, clones and templates are looked through.

    Raises BadAnswerError.
    """
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise BadAnswerError(f"cibadmin's answer is no XML: {error}") from error
    resources = root if root.tag == "resources" else root.find("configuration/resources")
    if resources is None:
        raise BadAnswerError("cibadmin's answer has no resources")
    templates = {each.get("id", ""): each for each in resources.iter("template")}
    found = []
    for primitive in resources.iter("primitive"):
        template = templates.get(primitive.get("template", ""))
        config = _config(primitive, template)
        if config and _is_guest(primitive if template is None else template):
            found.append(GuestResource(primitive.get("id", ""), config))
    return tuple(found)


def _is_guest(element: ElementTree.Element) -> bool:
    names: Mapping[str, str] = element.attrib
    return (
        names.get("class") == "ocf"
        and names.get("provider") in PROVIDERS
        and names.get("type") == AGENT
    )


def _config(primitive: ElementTree.Element, template: ElementTree.Element | None) -> str:
    """The primitive's own value before its template's; the first set wins, as in Pacemaker."""
    for element in (primitive, template):
        if element is not None:
            for pair in element.iterfind("instance_attributes/nvpair[@name='config']"):
                return pair.get("value", "")
    return ""
