# SPDX-License-Identifier: GPL-2.0-or-later
"""Which users libvirt runs QEMU as on this host: root, and the user that qemu.conf names.

Both files are root's. They are read here, and no name service is asked: that of a directory may be
silent for a minute when a host is in trouble. A user that only a directory knows should be named in
qemu.conf by its number (user = "+1234").
"""

from __future__ import annotations

import os

from pmkvm import files, settings

# Of the packages of libvirt: Debian's, and that of RHEL and SUSE. Where nothing is set, all of
# them that there are.
_DEFAULTS = ("libvirt-qemu", "qemu")
# qemu.conf is 35 KiB of comments; a line of passwd has some 80 bytes.
_LONGEST_CONF, _LONGEST_ACCOUNTS = 1 << 20, 4 << 20


def uids() -> frozenset[int] | None:
    """By number, our own as that of root; None where it can't be told who QEMU's user is.

    Then any user may be: to pass over a QEMU would be to call its guest stopped.
    """
    try:
        wanted = _configured(_lines(settings.QEMU_CONF, _LONGEST_CONF))
        known = _accounts(_lines(settings.ACCOUNTS, _LONGEST_ACCOUNTS))
    except OSError:
        return None
    numbers = (_number(name, known) for name in ((wanted,) if wanted else _DEFAULTS))
    found = [uid for uid in numbers if uid is not None]
    return frozenset({os.geteuid(), *found}) if found else None


def _configured(lines: list[str]) -> str:
    """The value of the last line `user = "NAME"`, as libvirt reads it; empty if there is none."""
    value = ""
    for line in lines:
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


def _accounts(lines: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        name, _password, uid, *_rest = (*line.split(":"), "", "")
        if uid.isascii() and uid.isdigit():
            found.setdefault(name, int(uid))
    return found


def _lines(path: str, at_most: int) -> list[str]:
    """None of a file that is not there. Raises OSError, also for one that is longer."""
    try:
        return files.read_whole(path, at_most).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
