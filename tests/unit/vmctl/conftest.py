# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole vm-ctl against a scripted cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.pacemaker import waiting
from pmkvm.virt import survey
from tests.unit.vmctl import world
from tests.unit.vmctl.world import DATA, Ended, nothing_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.unit.pacemaker.script import Script, Step
    from tests.unit.virtual_domain.fake_libvirtmod import FakeHypervisor

    Play = Callable[..., Script]
    VmCtl = Callable[..., Ended]


@pytest.fixture
def play(play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Play:
    for name in ("CIB_file", "CIB_shadow"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(settings, "OCF_DIR", str(tmp_path / "ocf"))
    (tmp_path / "ocf" / "extra").mkdir(parents=True)
    (tmp_path / "ocf" / "extra" / "VirtualDomain").touch()
    monkeypatch.setattr(waiting, "POLL_S", 0.0)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(survey, "LIBVIRT_GUESTS", str(tmp_path / "none"))
    return play


@pytest.fixture
def conf(tmp_path: Path) -> str:
    """The slides' configuration, and two definitions where it says they are."""
    for name in ("guest1", "guest2"):
        (tmp_path / f"{name}.xml").touch()
    path = tmp_path / "vm-ctl.conf"
    text = (DATA / "slides.conf").read_text(encoding="utf-8")
    path.write_text(text.replace("/etc/libvirt/qemu", str(tmp_path)), encoding="utf-8")
    return str(path)


@pytest.fixture
def vm_ctl(play: Play, conf: str, capsys: pytest.CaptureFixture[str]) -> VmCtl:
    """A command in a cluster that follows these steps, each of them."""

    def run(
        typed: str, *steps: Step, libvirts: Mapping[str, FakeHypervisor] | None = None
    ) -> Ended:
        script = play(*steps)
        rc = world.vm_ctl([*typed.split(), "--config", conf], libvirts or nothing_runs())
        assert script.left == []
        said = capsys.readouterr()
        return Ended(rc, said.out, said.err, script.calls)

    return run
