# SPDX-License-Identifier: GPL-2.0-or-later
"""Which users libvirt runs QEMU as on this host: root, and the user that qemu.conf names.

Both files are root's. They are read here, and no name service is asked: that of a directory may be
silent for a minute when a host is in trouble. A user that only a directory knows is named in
qemu.conf by its number (user = "+1234").
"""

from __future__ import annotations

import os

from pmkvm import files, settings

# Of the packages of libvirt: Debian's, and that of RHEL and SUSE. Where nothing is set the first
# of them that there is.
_DEFAULTS = ("libvirt-qemu", "qemu")
# qemu.conf is 35 KiB of comments; a line of passwd has some 80 bytes.
_LONGEST_CONF, _LONGEST_ACCOUNTS = 1 << 20, 4 << 20


def uids() -> frozenset[int]:
    """By number; our own is that of root. Raises OSError where no descriptor is left to look."""
    known = _accounts()
    wanted = _configured()
    names = (wanted,) if wanted else _DEFAULTS
    found = next((uid for uid in (_number(name, known) for name in names) if uid is not None), None)
    return frozenset({os.geteuid()} if found is None else {os.geteuid(), found})


def _configured() -> str:
    """The value of the last line `user = "NAME"`, as libvirt reads it; empty if there is none."""
    value = ""
    for line in _lines(settings.QEMU_CONF, _LONGEST_CONF):
        key, _, rest = line.partition("=")
        if key.strip() == "user":
            value = rest.partition("#")[0].strip().strip("\"'")
    return value


def _number(name: str, known: dict[str, int]) -> int | None:
    """A name first, as libvirt does, and then a number, with a plus or without."""
    if name in known:
        return known[name]
    digits = name[1:] if name.startswith("+") else name
    return int(digits) if digits.isascii() and digits.isdigit() else None


def _accounts() -> dict[str, int]:
    found: dict[str, int] = {}
    for line in _lines(settings.ACCOUNTS, _LONGEST_ACCOUNTS):
        name, _password, uid, *_rest = (*line.split(":"), "", "")
        if uid.isascii() and uid.isdigit():
            found.setdefault(name, int(uid))
    return found


def _lines(path: str, at_most: int) -> list[str]:
    """None of a file that is not there or can't be read: then only root is known."""
    from pmkvm.errors import is_exhaustion

    try:
        return files.read_beginning(path, at_most).decode(errors="replace").splitlines()
    except OSError as error:
        if is_exhaustion(error):
            raise
        return []
