# SPDX-License-Identifier: GPL-2.0-or-later
"""How much memory a definition gives a guest. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# As libvirt reads them, whatever their case; "k" is "KiB".
_BINARY = {"b": 1, "bytes": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DECIMAL = {"kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}


def size(element: Element) -> int | None:
    """Bytes of an element such as <memory>; None of what is no size."""
    text, unit = (element.text or "").strip(), element.get("unit", "KiB").lower()
    factor = _DECIMAL.get(unit) or _BINARY.get(unit.replace("ib", ""))
    is_number = text.isascii() and text.isdigit()
    return int(text) * factor if is_number and factor is not None else None


def at_start_kib(definition: Element) -> int:
    """What the guest has when it has started; 0 if that is not told."""
    for name in ("currentMemory", "memory"):
        element = definition.find(name)
        if element is not None:
            return (size(element) or 0) >> 10
    return 0
