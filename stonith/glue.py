# SPDX-License-Identifier: GPL-2.0-or-later
"""What external plugins of cluster-glue have in common: exit codes, and parameters as XML."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from stonith.vm_stonith.parameters import Parameter

DONE = 0
FAILED = 1
# As in 2011.
NOT_CONFIGURED = 6


def xml(parameters: Sequence[Parameter]) -> str:
    """What getinfo-xml prints; libstonith puts it into the metadata."""
    import xml.etree.ElementTree as ET

    root = ET.Element("parameters")
    for parameter in parameters:
        bit = "1" if parameter.required else "0"
        element = ET.SubElement(root, "parameter", name=parameter.name, unique="0", required=bit)
        kind = "integer" if parameter.content_type == "second" else parameter.content_type
        content = ET.SubElement(element, "content", type=kind)
        if parameter.default:
            content.set("default", parameter.default)
        ET.SubElement(element, "shortdesc", lang="en").text = parameter.shortdesc
        ET.SubElement(element, "longdesc", lang="en").text = parameter.longdesc
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")
