# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of the parameter monitor_scripts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.virtual_domain.world import World


def test_monitor_scripts_decide_whether_a_running_guest_is_healthy(world: World) -> None:
    world.guest()
    log = world.directory / "ran"
    good = world.script("good", f'echo "$DOMAIN_NAME $OCF_RESOURCE_INSTANCE" >>{log}')
    bad = world.script("bad", "echo first; echo no web server >&2; exit 3")
    assert world.act("monitor", monitor_scripts=f"{good}  {good}") == (0, "", "")
    assert log.read_text() == "g1 vm1\n" * 2
    called = world.act("monitor", monitor_scripts=f"{bad} {good}")
    assert called.outcome == (1, f"monitor script {bad} ended with 3: no web server")
    assert log.read_text() == "g1 vm1\n" * 2


def test_monitor_scripts_are_not_run_by_a_probe_nor_without_a_guest(world: World) -> None:
    bad = world.script("bad", "exit 1")
    assert world.act("monitor", monitor_scripts=bad).rc == 7
    world.guest()
    assert world.probe(monitor_scripts=bad).rc == 0


@pytest.mark.parametrize("trouble", ["missing", "not executable", "no program"])
def test_a_monitor_script_that_cannot_run_is_named(world: World, trouble: str) -> None:
    world.guest()
    path = world.directory / "script"
    if trouble != "missing":
        path.write_text("exit 0\n")
        path.chmod(0o600 if trouble == "not executable" else 0o700)
    assert world.act("monitor", monitor_scripts=str(path)).fails(1, str(path))


def test_a_monitor_script_that_hangs_is_killed_before_pacemaker_kills_us(world: World) -> None:
    """It has a session of its own: nobody else would."""
    world.guest()
    hanging = world.script("hang", f"echo $$ >{world.directory}/pid; exec sleep 600")
    called = world.act("monitor", timeout_s=1.6, monitor_scripts=hanging)
    assert called.names(1, f"{hanging} did not end within")
    assert not os.path.exists(f"/proc/{(world.directory / 'pid').read_text().strip()}")
