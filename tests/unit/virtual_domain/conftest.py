# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import migrate_from, start
from agents.virtual_domain.guest import domain_state, fence_check
from agents.virtual_domain.stopping import shutdown
from pmkvm import run, thread_call
from tests.unit.virt.fake_qemu import process_table
from tests.unit.virtual_domain.fake_libvirtmod import FakeHypervisor, FakeLibvirt
from tests.unit.virtual_domain.local_cib import LocalCib
from tests.unit.virtual_domain.world import THERE, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """No libvirt, no QEMU and no directory of this machine's own is in it."""
    monkeypatch.setattr(thread_call, "_abandoned", [])
    # How often one looks again is no part of what is promised.
    monkeypatch.setattr(domain_state, "POLL_S", 0.01)
    libvirt = FakeLibvirt()
    monkeypatch.setitem(sys.modules, "libvirtmod", libvirt.module())
    monkeypatch.setitem(sys.modules, "libvirtmod_qemu", libvirt.module())
    with process_table(tmp_path, monkeypatch) as table:
        yield World(libvirt, table, tmp_path / "g1.xml")
    libvirt.close()


@pytest.fixture
def there(world: World) -> FakeHypervisor:
    """The other host's libvirtd, as the parameters below reach it."""
    there = world.libvirt.hypervisors[THERE] = FakeHypervisor()
    return there


@pytest.fixture
def cib(world: World, monkeypatch: pytest.MonkeyPatch) -> LocalCib:
    """This host's, which the actions look into often."""
    assert world
    local = LocalCib()
    monkeypatch.setattr(run, "run", local.run)
    for module in (fence_check, shutdown, migrate_from):
        monkeypatch.setattr(module, "LOOK_S", 0.05)
    monkeypatch.setattr(start, "_FILE_PAUSE_S", 0.05)
    return local
