# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of Pacemaker and libvirt, in systemd's own words."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pmkvm.run import run
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
    done = run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        timeout_s=60,
        environment={"SYSTEMD_UNIT_PATH": f"{units}:{SYSTEM}"},
    )
    return done.err if done.rc else ""


@pytest.mark.parametrize("unit", [TARGET, "pacemaker.service"])
def test_systemd_takes_the_order(units: Path, unit: str) -> None:
    assert verify(units, unit) == ""


def test_this_test_can_fail(units: Path) -> None:
    (units / f"{TARGET}.d" / "60-bad.conf").write_text("[Unit]\nAfte=virtqemud.service\n")
    assert "Unknown key 'Afte'" in verify(units, TARGET)
