# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps this host from remembering: a directory stands where a file should be, or a file where
a directory should, so that nobody can write there, root included."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.fencing import pending_stop as pending_stops

if TYPE_CHECKING:
    from tests.unit.ocf.sample import Called
    from tests.unit.virtual_domain.world import World


def files_for_directories() -> None:
    for directory in (settings.domain_run_dir(), pending_stops.directory()):
        shutil.rmtree(directory, ignore_errors=True)
        Path(settings.RUN_DIR).mkdir(exist_ok=True)
        Path(directory).touch()


def directories_for_files() -> None:
    """What is remembered can be neither read nor replaced nor removed."""
    for directory, names in (
        (settings.domain_run_dir(), ("vm1",)),
        (pending_stops.directory(), ("vm1.debt",)),
    ):
        for name in names:
            path = Path(directory, name)
            path.unlink(missing_ok=True)
            path.mkdir(parents=True)


def no_run_directory() -> None:
    shutil.rmtree(settings.RUN_DIR, ignore_errors=True)
    Path(settings.RUN_DIR).touch()


def mend() -> None:
    path = Path(settings.RUN_DIR)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


BREAKAGES = [files_for_directories, directories_for_files, no_run_directory]
broken = pytest.mark.parametrize("breaks", BREAKAGES)


def recurring(world: World) -> Called:
    return world.by_pacemaker("monitor", CRM_meta_interval="10000")
