# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host's files set: of libvirt, of its service for guests. Reading is thin."""

from __future__ import annotations

import glob
import re
from typing import NamedTuple

from pmkvm import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LIBVIRT_GUESTS = "/etc/systemd/system/*.wants/libvirt-guests.service"
QEMU_CONF = "/etc/libvirt/qemu.conf"
CONFS = (QEMU_CONF, "/etc/libvirt/virtqemud.conf", "/etc/libvirt/libvirtd.conf")
_SETTING = re.compile(r"\s*(\w+)\s*=\s*\"?([^\"#\s]+)\"?", re.ASCII)
_AUTO = re.compile(r"auto_shutdown_(try_save|try_shutdown|poweroff)", re.ASCII)
_LONGEST = 1 << 20


class HostFiles(NamedTuple):
    """libvirt_guests: that the service is enabled. auto_shutdown: path, setting and value of what
    is on. lock_manager: lockd or sanlock, empty for none."""

    libvirt_guests: bool = False
    auto_shutdown: tuple[tuple[str, str, str], ...] = ()
    lock_manager: str = ""


def read(confs: tuple[str, ...] = CONFS, service: str = LIBVIRT_GUESTS) -> HostFiles:
    """A file that can't be read says nothing."""
    texts = {path: _text(path) for path in confs}
    auto = [
        (path, name, value)
        for path, text in texts.items()
        for name, value in settings(text)
        if _AUTO.fullmatch(name) and value != "none"
    ]
    managers = [value for name, value in settings(texts[confs[0]]) if name == "lock_manager"]
    manager = next((each for each in managers if each != "nop"), "")
    return HostFiles(bool(glob.glob(service)), tuple(auto), manager)


def settings(text: str) -> Iterator[tuple[str, str]]:
    """Of a configuration of libvirt's, which has one to a line."""
    for line in text.splitlines():
        found = _SETTING.match(line)
        if found:
            yield found[1], found[2]


def _text(path: str) -> str:
    try:
        return files.read_text(path, _LONGEST) or ""
    except (OSError, UnicodeDecodeError):
        return ""
