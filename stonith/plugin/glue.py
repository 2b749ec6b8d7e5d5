# SPDX-License-Identifier: GPL-2.0-or-later
"""An external plugin of cluster-glue: called with an action and a host, parameters under their bare
names in the environment. What else is in there, as priority and stonith-timeout of the slides, is
not the plugin's.
"""

from __future__ import annotations

import os
import sys

from pmkvm import thread_call
from pmkvm.light_types import NamedTuple
from stonith.plugin.journal import Journal
from stonith.plugin.parameters import VENDOR_URL, ParameterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

    from stonith.plugin.answer import Operation
    from stonith.plugin.parameters import Parameter

DONE = 0
FAILED = 1
# As in 2011.
NOT_CONFIGURED = 6

_FENCES: dict[str, Operation] = {"on": "on", "off": "off", "reset": "reset"}


class Device(NamedTuple):
    """A plugin with its parameters. fence and status tell the journal why they do not say DONE."""

    hosts: Sequence[str]
    fence: Callable[[Operation, str, Journal], int]
    status: Callable[[Journal], int]


class Plugin(NamedTuple):
    """What one plugin is. device: raises ParameterError."""

    name: str
    title: str
    description: str
    parameters: Sequence[Parameter]
    device: Callable[[Mapping[str, str]], Device]


def main(plugin: Plugin) -> int:
    return thread_call.leave(run(plugin, sys.argv[1:], os.environ, sys.stdout, sys.stderr))


def run(
    plugin: Plugin, argv: Sequence[str], env: Mapping[str, str], stdout: TextIO, stderr: TextIO
) -> int:
    # libstonith's own tag is stonith/external/NAME.
    journal = Journal(env.get("HA_LOGTAG") or f"external/{plugin.name}", env, stderr)
    action = argv[0] if argv else ""
    if action in _DESCRIPTIONS:
        print(_DESCRIPTIONS[action](plugin), file=stdout)
        return DONE
    if action not in (*_FENCES, "gethosts", "status"):
        journal.complain(f"usage: {' | '.join((*_FENCES, 'gethosts', 'status', *_DESCRIPTIONS))}")
        return FAILED
    try:
        device = plugin.device(env)
    except ParameterError as error:
        journal.complain(str(error))
        return NOT_CONFIGURED
    if action == "gethosts":
        print("\n".join(device.hosts), file=stdout)
        return DONE
    if action == "status":
        return device.status(journal)
    return device.fence(_FENCES[action], argv[1] if len(argv) > 1 else "", journal)


def _xml(parameters: Sequence[Parameter]) -> str:
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


_DESCRIPTIONS: dict[str, Callable[[Plugin], str]] = {
    "getconfignames": lambda plugin: "\n".join(one.name for one in plugin.parameters),
    "getinfo-devid": lambda plugin: plugin.name,
    "getinfo-devname": lambda plugin: f"{plugin.name}: {plugin.title}",
    "getinfo-devdescr": lambda plugin: plugin.description,
    "getinfo-devurl": lambda _: VENDOR_URL,
    "getinfo-xml": lambda plugin: _xml(plugin.parameters),
}
