# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts what is tested into a host: the project's RPMs, unpacked; or what `make install` makes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pmkvm.run import run
from tests.lab.errors import LabError
from tests.lab.hosts.machine import SHARED
from tests.lab.hosts.process import CHECKOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine

STAGE = ".install"


def stage_rpms(directory: str, rpm_dir: str) -> None:
    """Unpack all binary RPMs of rpm_dir; no scriptlet runs."""
    rpms = sorted(path for path in Path(rpm_dir).rglob("*.rpm") if ".src." not in path.name)
    if not rpms:
        raise LabError(f"no RPM in {rpm_dir}")
    stage = _fresh(directory)
    for rpm in rpms:
        # rpm2archive writes beside the package; rpm2cpio's binary output would have no way out.
        copy = shutil.copy(rpm, directory)
        _must(["rpm2archive", copy])
        _must(["tar", "-xzf", f"{copy}.tgz", "-C", stage])
        for path in (copy, f"{copy}.tgz"):
            os.unlink(path)


def stage_checkout(directory: str) -> None:
    """As `make install` would install this checkout."""
    _must(["make", "-C", CHECKOUT, "install", f"DESTDIR={_fresh(directory)}"])


def copy_stage(host: Machine) -> None:
    """Copy what is staged onto the host's root; its own directories and links stay as they are."""
    # A host's own: all hosts do this at once, in a directory that they share.
    archive = f"{SHARED}/{STAGE}.{host.name}.tar"
    keep = ["--keep-directory-symlink", "--no-overwrite-dir"]
    host.must(["tar", "-cf", archive, "-C", f"{SHARED}/{STAGE}", "."])
    host.must(["tar", "-xf", archive, "-C", "/", *keep])
    host.must(["rm", "-f", archive])


def _fresh(directory: str) -> str:
    stage = os.path.join(directory, "shared", STAGE)
    shutil.rmtree(stage, ignore_errors=True)
    os.makedirs(stage)
    return stage


def _must(argv: list[str]) -> None:
    done = run(argv, timeout_s=120)
    if done.rc != 0:
        raise LabError(f"{' '.join(argv)}: {done.err.strip()}")
