# SPDX-License-Identifier: GPL-2.0-or-later
"""A stop that says 0 has left no process of the session."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from agents.vm_anything import session, stop
from agents.vm_anything.session import Session
from pmkvm.deadline import Deadline
from tests.unit.ocf.sample import seen_by
from tests.unit.vm_anything.world import state_of, wait_for

if TYPE_CHECKING:
    from tests.unit.vm_anything.world import World

WAIT = "exec sleep 60"
DEAF = "trap '' TERM; touch deaf; while :; do sleep 60; done"


def wait_until_deaf(world: World) -> None:
    wait_for((world.directory / "deaf").exists)


ORDERLY = "trap 'echo bye >last; exit 0' TERM; touch deaf; while :; do sleep 0.05; done"


@pytest.mark.parametrize("text", [ORDERLY, f"({ORDERLY}) & {WAIT}"], ids=["program", "child"])
def test_a_program_and_its_child_may_end_in_order(world: World, text: str) -> None:
    parameters = world.run(text)
    wait_until_deaf(world)
    called = world.act("stop", parameters)
    assert (called.rc, called.err) == (0, "")
    assert world.read("last") == ["bye"]
    assert world.processes() == []
    assert not world.pidfile().exists()


def test_stop_is_idempotent(world: World) -> None:
    parameters = world.program(WAIT)
    assert world.act("stop", parameters).rc == 0
    world.start(parameters)
    assert world.act("stop", parameters).rc == 0
    assert world.act("stop", parameters).rc == 0


def test_one_that_is_deaf_is_killed_after_its_time(world: World) -> None:
    parameters = world.run(DEAF, stop_timeout="1")
    wait_until_deaf(world)
    begin = time.monotonic()
    called = world.act("stop", parameters)
    # By default it would be 12 s.
    assert 0.9 <= time.monotonic() - begin < 10
    assert called.says(0, "SIGKILL to what outlived SIGTERM")
    assert world.processes() == []


def test_one_that_is_deaf_and_has_long_is_killed_before_pacemaker_gives_up(world: World) -> None:
    parameters = world.run(DEAF, stop_timeout="600")
    wait_until_deaf(world)
    # Past the action's own deadline it would be 1.
    assert world.act("stop", parameters, timeout_s=6).rc == 0
    assert world.processes() == []


def test_one_that_stands_still_is_killed(world: World) -> None:
    parameters = {**world.program(WAIT), "stop_timeout": "1"}
    os.kill(world.start(parameters), signal.SIGSTOP)
    world.stop(parameters)


@pytest.mark.parametrize("child", ["sleep 61", f"({DEAF})", f"set -m; ({DEAF})"])
def test_a_child_does_not_outlive_the_stop(world: World, child: str) -> None:
    """Also not in a process group of its own, which set -m gives it."""
    parameters = world.run(f"{child} & {WAIT}", stop_timeout="1")
    wait_for(lambda: len(world.processes()) >= 2)
    if "deaf" in child:
        wait_until_deaf(world)
    world.stop(parameters)


def test_a_child_whose_parent_has_died_is_killed(world: World) -> None:
    parameters = {**world.program(f"({DEAF}) & {WAIT}"), "stop_timeout": "1"}
    pid = world.start(parameters)
    wait_until_deaf(world)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    world.stop(parameters)


def test_the_leader_may_be_a_zombie(world: World) -> None:
    parameters = world.program(WAIT)
    pid = world.start(parameters)
    os.kill(pid, signal.SIGKILL)
    # This process is its parent and has not reaped it.
    wait_for(lambda: state_of(pid) == "Z")
    assert world.act("stop", parameters).rc == 0
    assert not world.pidfile().exists()


def test_a_pid_of_somebody_else_s_is_left_alone(world: World) -> None:
    parameters = world.program(WAIT)
    life = world.live(WAIT)
    world.pidfile("p2").write_text(f"{life.pid} {life.start_time - 1}\n")
    assert world.act("stop", parameters, name="p2").rc == 0
    assert world.processes() == [life.pid]
    assert not world.pidfile("p2").exists()


def test_those_that_fork_and_end_all_the_time_do_not_escape(world: World) -> None:
    """One lives at a time and is followed by the next, of another pid, for a minute."""
    chain = "for _hop in range(3000):\n time.sleep(0.02)\n if os.fork(): os._exit(0)\nos._exit(0)"
    text = f"if os.fork(): time.sleep(60)\nos.setpgid(0, 0)\n{chain}"
    parameters = world.python(text)
    world.start(parameters)
    wait_for(lambda: len(world.processes()) >= 2)
    assert world.act("stop", parameters).rc == 0
    time.sleep(0.1)
    assert world.processes() == []


def test_survivors_are_an_error_and_remembered(world: World) -> None:
    """As in an uninterruptible wait for a dead disk."""
    parameters = {**world.program(WAIT), "stop_timeout": "1"}
    pid = world.start(parameters)
    world.patch.setattr(signal, "pidfd_send_signal", lambda *_arguments: None)
    world.patch.setattr(os, "killpg", lambda *_arguments: None)
    called = world.act("stop", parameters, timeout_s=4)
    assert called.outcome == (1, f"process {pid} survives SIGKILL")
    assert world.pid() == pid


def test_a_stop_needs_no_program_and_no_good_parameters(world: World) -> None:
    world.run(WAIT)
    world.stop({"stop_timeout": "x", "cmdline_options": "'"})


@pytest.mark.parametrize(
    ("parameter", "timeout_ms", "seconds"),
    [("", "30000", 20.0), ("", "", 10.0), ("0", "60000", 40.0), ("7", "30000", 7), ("-3", "", 10)],
)
def test_the_time_to_end_in_order(parameter: str, timeout_ms: str, seconds: float) -> None:
    env = {"OCF_RESKEY_CRM_meta_timeout": timeout_ms, "OCF_RESKEY_config": "x"}
    context = seen_by("stop", env)
    context = context._replace(parameters={"stop_timeout": int(parameter or 0)})
    assert stop._patience_s(context) == pytest.approx(seconds)


def test_who_is_older_than_the_leader_or_of_an_earlier_one_is_no_member(world: World) -> None:
    life = world.live(f"sleep 61 & {WAIT}")
    wait_for(lambda: len(session.members(Session(life))) == 2)
    earlier = life._replace(start_time=life.start_time - 1)
    assert session.members(Session(earlier)) == []
    assert session.kill([Session(earlier)], Deadline(1)) == []
    _leader, child = session.members(Session(life))
    assert session.is_member(child.pid, life)
    assert not session.is_member(child.pid, life._replace(start_time=child.start_time + 1))
