# SPDX-License-Identifier: GPL-2.0-or-later
"""Which resources of a CIB run a program of ours, whatever they are called. Pure."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pmkvm.pacemaker import parameter, primitives
from pmkvm.pacemaker.parameter import References

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

STONITHD, CONNECTD = "vm-stonithd", "vm-connectd"


def running(program: str, configuration: Element) -> list[str]:
    """The ids of the primitives that are given its path, on some host at some time."""
    references = References(configuration)
    return [
        each.id
        for section in configuration.iterfind("resources")
        for each in primitives.find(section)
        if each.kind.get("class") == "ocf"
        and any(
            posixpath.basename(path) == program
            for path in parameter.read("binfile", each, references).possible
        )
    ]
