# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a program runs, by pid and start time, and root's hook."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from agents.vm_anything import monitor
from pmkvm import settings
from tests.unit.vm_anything.world import state_of, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.vm_anything.world import World

WAIT = "exec sleep 60"


@pytest.mark.parametrize("action", ["monitor", "status"])
def test_what_runs_runs_and_what_does_not_does_not(world: World, action: str) -> None:
    parameters = world.program(WAIT)
    assert world.act(action, parameters) == (7, "", "")
    world.start(parameters)
    assert world.act(action, parameters) == (0, "", "")
    assert world.probe(parameters) == (0, "", "")


@pytest.mark.parametrize("is_reaped", [True, False])
def test_one_that_died_is_not_running(world: World, is_reaped: bool) -> None:
    """2011's agent called it failed, also on a probe. A zombie is dead."""
    parameters = world.program(WAIT)
    pid = world.start(parameters)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: state_of(pid) == "Z")
    if is_reaped:
        os.waitpid(pid, 0)
    assert world.act("monitor", parameters) == (7, "", "")
    assert world.probe(parameters) == (7, "", "")


@pytest.mark.parametrize("is_reaped", [True, False])
def test_a_program_that_died_under_its_children_is_unclean(world: World, is_reaped: bool) -> None:
    parameters = world.program(f"sleep 61 & {WAIT}")
    pid = world.start(parameters)
    wait_for(lambda: len(world.processes()) == 2)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(world.processes()) == 1)
    if is_reaped:
        os.waitpid(pid, 0)
    (child,) = world.processes()
    for called in (world.act("monitor", parameters), world.probe(parameters)):
        reason = f"program {pid} has ended, but of its session there lives {child}"
        assert called.outcome == (1, reason)
    assert world.act("stop", parameters).rc == 0
    assert world.probe(parameters).rc == 7


def test_a_pid_that_was_reused_is_not_running(world: World) -> None:
    parameters = world.program(WAIT)
    life = world.live(WAIT)
    world.pidfile("p2").write_text(f"{life.pid} {life.start_time + 1}\n")
    assert world.act("monitor", parameters, name="p2").rc == 7


def test_a_pidfile_may_be_anywhere(world: World) -> None:
    pidfile = world.directory / "my.pid"
    parameters = {**world.program(WAIT), "pidfile": str(pidfile)}
    assert world.act("start", parameters).rc == 0
    assert pidfile.read_text().split()[0] == str(world.processes()[0])
    assert pidfile.stat().st_mode & 0o777 == 0o644
    assert world.act("monitor", parameters).rc == 0
    assert world.act("stop", parameters).rc == 0
    assert not pidfile.exists()


def test_a_pid_alone_counts_if_it_is_that_program_s(world: World, tmp_path: Path) -> None:
    """As an administrator's tools write it, or an agent of 2011."""
    script = world.program("sleep 61; exit 0")
    pid = world.start(script)
    world.pidfile("p2").write_text(f"{pid}\n")
    assert world.act("monitor", script, name="p2").rc == 0
    assert world.act("monitor", {"binfile": str(tmp_path / "other")}, name="p2").rc == 7
    assert world.act("monitor", {}, name="p2").rc == 7
    world.stop(script, name="p2")


def test_a_pid_alone_of_a_binary_is_known_by_its_executable(world: World) -> None:
    binary = {"binfile": "/bin/sleep", "cmdline_options": "60", "workdir": str(world.directory)}
    world.pidfile("p2").parent.mkdir(parents=True)
    world.pidfile("p2").write_text(f"{world.start(binary)}\n")
    assert world.act("monitor", binary, name="p2").rc == 0
    assert world.act("monitor", {"binfile": "/bin/cat"}, name="p2").rc == 7


@pytest.mark.parametrize("text", ["", "abc\n", "1 2 3\n", "-1\n", "\u0661\n", "Welcome 5\n"])
def test_a_pidfile_that_says_nothing_is_an_error_and_no_stop(world: World, text: str) -> None:
    parameters = world.start_unmarked()
    world.pidfile().write_text(text)
    for action in ("monitor", "start", "stop"):
        assert world.act(action, parameters).names(1, "holds no pid")
    assert len(world.processes()) == 1


def test_a_pidfile_of_the_program_s_user_is_not_believed(world: World) -> None:
    """It could name any process, and stop would kill it as root."""
    parameters = world.start_unmarked()
    if os.geteuid() == 0:
        os.chown(world.pidfile(), 65534, 65534)
    else:
        world.patch.setattr(os, "geteuid", lambda: 65533)
    called = world.act("monitor", parameters)
    assert called.rc == 1
    assert called.reason.endswith("is not root's file, so it is not believed")
    assert world.act("stop", parameters).rc == 1
    assert len(world.processes()) == 1


def test_a_link_or_a_pipe_is_no_pidfile(world: World) -> None:
    parameters = world.start_unmarked()
    world.pidfile().rename(world.directory / "elsewhere")
    world.pidfile().symlink_to(world.directory / "elsewhere")
    assert world.act("monitor", parameters).rc == 1
    world.pidfile().unlink()
    os.mkfifo(world.pidfile())
    assert world.act("monitor", parameters).rc == 1


def test_the_hook_decides_of_what_lives(world: World) -> None:
    parameters = world.run(WAIT)
    assert world.act("monitor", {**parameters, "monitor_hook": "test 1 = 1 && :"}).rc == 0
    bad = {**parameters, "monitor_hook": "echo a >&2; echo \"no 'b'\" >&2; exit 7"}
    assert world.act("monitor", bad).outcome == (1, "monitor_hook ended with 7: no 'b'")
    # A probe asks whether it runs, not how it is.
    assert world.probe(bad).rc == 0


def test_the_hook_is_not_asked_of_what_does_not_live(world: World) -> None:
    parameters = {**world.program(WAIT), "monitor_hook": f"touch {world.directory}/asked"}
    assert world.act("monitor", parameters).rc == 7
    assert not (world.directory / "asked").exists()


def test_the_hook_is_root_s_own_text_in_a_minimal_environment(world: World) -> None:
    world.patch.setenv("LD_PRELOAD_OF_SOMEBODY", "x")
    parameters = world.run(WAIT)
    hook = f"env >{world.directory}/env; id -u >{world.directory}/id"
    assert world.act("monitor", {**parameters, "monitor_hook": hook}).rc == 0
    seen = dict(line.partition("=")[::2] for line in world.read("env"))
    # What the shell itself adds.
    for name in ("PWD", "OLDPWD", "SHLVL", "_"):
        seen.pop(name, "")
    assert seen == {**settings.CHILD_ENVIRONMENT, "OCF_RESOURCE_INSTANCE": "p1"}
    assert world.read("id") == [str(os.geteuid())]


def test_a_hook_that_hangs_is_killed_and_a_failure(world: World) -> None:
    """Past the action's own deadline the reason would be that."""
    world.patch.setattr(monitor, "_HOOK_RESERVE_S", 17.0)
    parameters = world.run(WAIT)
    called = world.act("monitor", {**parameters, "monitor_hook": "sleep 60"}, timeout_s=20)
    assert called.rc == 1
    assert re.match(r"monitor_hook: /bin/sh did not end within [01]\.\d s$", called.reason)
