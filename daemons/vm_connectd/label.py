# SPDX-License-Identifier: GPL-2.0-or-later
"""Security labels of guests, as libvirt gives them (sVirt). Pure.

Two of them can tell guests apart only where each is one guest's own. A label that many share, of
a host without sVirt or of a socket that libvirt has made itself, says nothing.
"""

from __future__ import annotations

# AppArmor: libvirt-UUID, and in brackets how it is confined.
_PROFILE = "libvirt-"
# SELinux: user:role:type:level; of a guest's own level are the categories.
_LEVEL = 3


def are_apart(one: str, other: str) -> bool:
    """Whether they are the labels of two different guests."""
    owns = _own(one), _own(other)
    return all(owns) and owns[0] != owns[1]


def _own(label: str) -> str:
    """What of a label is one guest's, empty if nothing is."""
    if label.startswith(_PROFILE):
        return label.split(maxsplit=1)[0]
    fields = label.split(":", _LEVEL)
    level = fields[_LEVEL] if len(fields) > _LEVEL else ""
    # A range of levels is what programs of the host have.
    return level if ":" in level and "-" not in level else ""
