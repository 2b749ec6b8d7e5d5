# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.vm_anything import start
from pmkvm import settings, thread_call
from tests.unit.vm_anything.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(thread_call, "_abandoned", [])
    # How long a silent program is watched is a figure; tests of others use a_whole_moment.
    monkeypatch.setattr(start, "MOMENT_S", 0.02)
    monkeypatch.setattr(start, "_HOOK_PAUSE_S", 0.05)
    world = World(tmp_path, monkeypatch)
    yield world
    world.close()


@pytest.fixture
def a_whole_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """For programs that speak or die: they take their time to come up, and nobody waits longer."""
    monkeypatch.setattr(start, "MOMENT_S", 5.0)
