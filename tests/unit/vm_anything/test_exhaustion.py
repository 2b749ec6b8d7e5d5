# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-anything on a host that has no thread or process for a moment: it waits, and tells no lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.ocf import agent
from tests.unit import exhaustion

if TYPE_CHECKING:
    from tests.unit.vm_anything.world import World

WAIT = "exec sleep 60"
SOON_S = 0.5


@pytest.mark.parametrize("hook", ["", "exit 0"])
def test_what_runs_runs(world: World, hook: str) -> None:
    parameters = world.run(WAIT, monitor_hook=hook)
    with exhaustion.no_threads(SOON_S):
        called = world.act("monitor", {**parameters, "CRM_meta_interval": "10000"})
    assert called.outcome == (0, "")


def test_a_start_waits_for_a_process(world: World) -> None:
    parameters = world.program(WAIT)
    with exhaustion.no_threads(SOON_S):
        world.start(parameters)
    assert len(world.processes()) == 1


def test_a_start_waits_for_a_process_no_longer_than_it_may(world: World) -> None:
    # Its last try has 3 s: one that is cut short has another reason.
    world.patch.setattr(agent, "_RETRY_S", 4.0)
    parameters = world.program(WAIT)
    with exhaustion.no_threads():
        called = world.act("start", parameters, timeout_s=8)
    assert called.rc == 1
    assert "can't be executed: Resource temporarily unavailable" in called.reason
    assert world.processes() == []


def test_a_stop_needs_neither(world: World) -> None:
    parameters = world.run(WAIT)
    with exhaustion.no_threads():
        called = world.act("stop", parameters)
    assert called.outcome == (0, "")
    assert world.processes() == []
