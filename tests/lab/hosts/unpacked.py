# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of a root's Debian that are not installed in it: downloaded by apt, unpacked, cached."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pmkvm.run import run
from tests.lab.errors import LabError
from tests.lab.guests.guest_image import CACHE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def ensure(root: str, name: str, version: str, packages: Sequence[str]) -> str:
    """The directory that has them unpacked, kept under a name and a version; the first time needs
    apt. A package is as apt-get takes it: NAME, or NAME=VERSION."""
    tree = os.path.join(CACHE, name, version.replace(":", "%3a"))
    if not os.path.isdir(tree):
        os.makedirs(os.path.dirname(tree), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(tree)) as work:
            for deb in _download(root, packages, work):
                _must(["dpkg-deb", "-x", deb, f"{work}/tree"])
            os.rename(f"{work}/tree", tree)
    return tree


def version(root: str, package: str) -> str:
    """Of a package that is installed in the root."""
    admin = f"--admindir={root}/var/lib/dpkg"
    return _must(["dpkg-query", admin, "-W", "-f", "${Version}", package])


def _download(root: str, packages: Sequence[str], work: str) -> list[str]:
    options = [] if root == "/" else _of_root(root, work)
    if options:
        _must(["apt-get", *options, "-q", "update"])
    # apt-get downloads into its working directory and has no option for another one.
    _must(["env", "-C", work, "apt-get", *options, "download", *packages])
    debs = [str(path) for path in Path(work).glob("*.deb")]
    if len(debs) != len(packages):
        raise LabError(f"apt-get download {' '.join(packages)} left {len(debs)} packages")
    return debs


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
