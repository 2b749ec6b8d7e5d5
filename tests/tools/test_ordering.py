# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of Pacemaker and libvirt, in systemd's own words."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = tree.ROOT / "agents" / "virtual_domain" / "ordering.conf"
SYSTEM = "/usr/lib/systemd/system"
TARGET = "resource-agents-deps.target"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A directory of units with ours in its place, in front of the system's."""
    place = tmp_path / f"{TARGET}.d" / "50-pm_kvm_tools.conf"
    place.parent.mkdir()
    shutil.copy(SOURCE, place)
    return tmp_path


def verify(units: Path, unit: str) -> str:
    """What systemd has against a unit and all that it names, nothing as it should be."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        env={"SYSTEMD_UNIT_PATH": f"{units}:{SYSTEM}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("unit", [TARGET, "pacemaker.service"])
def test_systemd_takes_the_order(units: Path, unit: str) -> None:
    assert verify(units, unit) == ""


def test_this_test_can_fail(units: Path) -> None:
    (units / f"{TARGET}.d" / "60-bad.conf").write_text("[Unit]\nAfte=virtqemud.service\n")
    assert "Unknown key 'Afte'" in verify(units, TARGET)
