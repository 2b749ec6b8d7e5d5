# SPDX-License-Identifier: GPL-2.0-or-later
"""ipmitool for the hosts of a root, which no root has installed."""

from __future__ import annotations

import os
import shutil

from pmkvm.files import read_text
from tests.lab.hosts import unpacked
from tests.lab.hosts.machine import SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine

# With its library.
PACKAGES = ("ipmitool", "libfreeipmi17")
STAGED = f"{SHARED}/ipmitool"
INSTALL = f"""
install -m 0755 {STAGED}/bin/ipmitool /usr/bin/ipmitool
cp -a {STAGED}/lib/*/libfreeipmi.so.* /usr/lib/
ldconfig
"""


def ensure(root: str) -> str:
    """Where it is unpacked; the first time needs apt."""
    return unpacked.ensure(root, PACKAGES[0], codename(root), PACKAGES)


def install(hosts: list[Machine], tree: str) -> None:
    for host in hosts:
        outside = os.path.join(host.directory, "shared", "ipmitool")
        shutil.copytree(f"{tree}/usr", outside, symlinks=True, dirs_exist_ok=True)
        host.must(["sh", "-ec", INSTALL])
        shutil.rmtree(outside)


def codename(root: str) -> str:
    """Of the root's Debian."""
    lines = (read_text(os.path.join(root, "etc/os-release")) or "").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_CODENAME", "sid")
