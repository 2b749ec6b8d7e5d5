# SPDX-License-Identifier: GPL-2.0-or-later
"""pacemaker-remoted for the hosts of a root, as Debian has it for that root's Pacemaker.

Its package conflicts with pacemaker's, so no root has both installed: it is downloaded and
unpacked, and cached by its version.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pmkvm.run import run
from tests.lab.errors import LabError
from tests.lab.guests.guest_image import CACHE

PACKAGE = "pacemaker-remote"
PROGRAM = "usr/sbin/pacemaker-remoted"


def ensure(root: str) -> str:
    """The program's path; the first time needs apt."""
    admin = f"--admindir={root}/var/lib/dpkg"
    version = _must(["dpkg-query", admin, "-W", "-f", "${Version}", "pacemaker"])
    tree = os.path.join(CACHE, PACKAGE, version.replace(":", "%3a"))
    if not os.path.isdir(tree):
        os.makedirs(os.path.dirname(tree), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(tree)) as work:
            deb = _download(root, version, work)
            _must(["dpkg-deb", "-x", deb, f"{work}/tree"])
            os.rename(f"{work}/tree", tree)
    return os.path.join(tree, PROGRAM)


def _download(root: str, version: str, work: str) -> str:
    options = [] if root == "/" else _of_root(root, work)
    if options:
        _must(["apt-get", *options, "-q", "update"])
    # apt-get downloads into its working directory and has no option for another one.
    _must(["env", "-C", work, "apt-get", *options, "download", f"{PACKAGE}={version}"])
    debs = list(Path(work).glob("*.deb"))
    if len(debs) != 1:
        raise LabError(f"apt-get download {PACKAGE}={version} left {len(debs)} packages")
    return str(debs[0])


def _of_root(root: str, work: str) -> list[str]:
    """What makes this machine's apt read the lists of the root's Debian, and keep its own."""
    for directory in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(work, directory))
    settings = {
        "Dir::Etc::SourceList": f"{root}/etc/apt/sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": f"{work}/lists",
        "Dir::State::Status": f"{root}/var/lib/dpkg/status",
        "Dir::Cache": f"{work}/cache",
        "APT::Sandbox::User": "root",
        # As when the root was built.
        "Acquire::Check-Valid-Until": "false",
    }
    return [f"-o{name}={value}" for name, value in settings.items()]


def _must(argv: list[str]) -> str:
    done = run(argv, timeout_s=300)
    if done.rc != 0:
        raise LabError(f"{' '.join(argv)}: {done.err.strip()}")
    return done.out
