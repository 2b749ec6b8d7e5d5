# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import migrate_from, monitor, start, stop
from agents.virtual_domain.guest import domain_state, fence_check
from agents.virtual_domain.starting import other_hosts
from agents.virtual_domain.stopping import budget, shutdown
from pmkvm import run, thread_call
from tests.unit.virt.fake_qemu import process_table
from tests.unit.virtual_domain.fake_libvirtmod import FakeLibvirt
from tests.unit.virtual_domain.local_cib import LocalCib
from tests.unit.virtual_domain.programs import Programs
from tests.unit.virtual_domain.world import World

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
        yield World(libvirt, table, tmp_path, monkeypatch, LocalCib())
    libvirt.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirt is waited for less than a second; a start of a few seconds has its attempts."""
    monkeypatch.setattr(monitor, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(shutdown, "_LIBVIRT_RETURN_S", 0.1)
    monkeypatch.setattr(stop, "_ANSWER_S", 0.1)
    monkeypatch.setattr(start, "_RESERVE_S", 2.0)


@pytest.fixture
def soon_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A QEMU hardly has time to end by SIGTERM."""
    monkeypatch.setattr(budget, "_TERM_MAX_S", 0.2)


@pytest.fixture
def cib(world: World, monkeypatch: pytest.MonkeyPatch) -> LocalCib:
    """This host's, which the actions look into often."""
    monkeypatch.setattr(run, "run", world.cib.run)
    for module in (fence_check, shutdown, migrate_from, other_hosts):
        monkeypatch.setattr(module, "LOOK_S", 0.05)
    monkeypatch.setattr(start, "_FILE_PAUSE_S", 0.05)
    return world.cib


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)
