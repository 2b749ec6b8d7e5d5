# SPDX-License-Identifier: GPL-2.0-or-later
"""Which domain a resource is: its name, its uuid, its kind."""

from __future__ import annotations

import os

from pmkvm.errors import HaError
from pmkvm.light_types import NamedTuple

_HEX = frozenset("0123456789abcdef")


class DefinitionError(HaError):
    """A domain definition that can't be used."""


class Identity(NamedTuple):
    """A domain. uuid is empty where the definition leaves it to libvirt."""

    name: str
    uuid: str
    is_qemu: bool


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
