# SPDX-License-Identifier: GPL-2.0-or-later
"""Roots of another Debian for the hosts, built once and cached: a newer Pacemaker and libvirt."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys

from pmkvm.run import run
from tests.lab.errors import LabError
from tests.lab.guests.guest_image import CACHE
from tests.lab.hosts import ipmitool, remoted

TIMEOUT_S = 1800.0

PACKAGES = (
    "pacemaker",
    "pacemaker-cli-utils",
    "corosync",
    "crmsh",
    "pcs",
    "resource-agents",
    "fence-agents",
    "cluster-glue",
    # What Pacemaker 3's fence_legacy, by which it runs cluster-glue's devices, imports.
    "python3-pacemaker",
    "python3",
    "python3-libvirt",
    "python3-lxml",
    "python3-cryptography",
    "iproute2",
    "iputils-ping",
    "openssh-server",
    "openssh-client",
    "libvirt-daemon-system",
    "libvirt-clients",
    "qemu-system-x86",
    "qemu-utils",
    "procps",
    "openssl",
    "strace",
    "ovmf",
    "swtpm",
    "swtpm-tools",
    "csync2",
    "faketime",
    # The lab installs by it.
    "rpm",
)
# Of whose Python no other copy is to be had: `make unit-3.14` runs the unit tests in there.
MORE = {"sid": ("git", "python3-hypothesis", "python3-pytest")}


def packages(suite: str) -> tuple[str, ...]:
    return (*PACKAGES, *MORE.get(suite, ()))


def directory(name: str) -> str:
    """Where the root of that name is or will be, with these packages; a path names itself."""
    if "/" in name:
        return name
    key = hashlib.sha256("\n".join(packages(name)).encode()).hexdigest()[:12]
    return os.path.join(CACHE, "roots", f"{name}-{key}")


def check(name: str) -> str:
    """The directory of a root that is there."""
    path = directory(name)
    if not os.path.isdir(os.path.join(path, "usr")):
        raise LabError(f"no root in {path}; `root {name}` of the lab builds one")
    return path


def build(suite: str) -> str:
    """Build the root of a Debian suite unless it is cached; takes minutes and 2.5 GB."""
    path = directory(suite)
    if os.path.isdir(path):
        return path
    print(f"lab: builds the root {path}, which takes minutes", file=sys.stderr)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    unfinished = f"{path}.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    include = f"--include={','.join(packages(suite))}"
    # Not debootstrap: it fails on this suite's systemd. A mirror's copy of sid may be older than
    # its Release file allows.
    argv = ["mmdebstrap", "--variant=minbase", include]
    argv += ['--aptopt=Acquire::Check-Valid-Until "false"', suite, unfinished, mirror()]
    done = run(argv, timeout_s=TIMEOUT_S)
    if done.rc != 0:
        raise LabError(f"mmdebstrap {suite}: {done.err.strip()[-2000:]}")
    # As long as the mirror has the one of this Pacemaker; and a lab may have no network.
    remoted.ensure(unfinished)
    ipmitool.ensure(unfinished)
    os.rename(unfinished, path)
    return path


def mirror() -> str:
    """The mirror that this machine itself installs from."""
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    lines = run(argv, timeout_s=30).out.split()
    if not lines:
        raise LabError("this machine's apt knows no mirror")
    return lines[0]
