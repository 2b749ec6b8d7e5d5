# SPDX-License-Identifier: GPL-2.0-or-later
"""What is told of a guest, by which witness."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import monitor
from pmkvm import thread_call
from pmkvm.deadline import Deadline
from pmkvm.process import Life
from pmkvm.virt import record
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    CRASHED,
    PAUSED,
    RUNNING,
    SHUTOFF,
    SYSTEM,
    Trouble,
    arriving,
)
from tests.unit.virtual_domain.world import G1, HERE, OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.ocf.sample import Called


def heard(world: World) -> Called:
    """A monitor with little patience, and more where a call has not come back in that."""
    for patience_s in (0.3, 3.0, 10.0):
        world.patch.setattr(monitor, "_PATIENCE_S", patience_s)
        world.patch.setattr(thread_call, "_abandoned", [])
        called = world.act("monitor")
        if called.rc != 0 or not thread_call.abandoned():
            break
    return called


ACTIONS = ["monitor", "status"]
SPOILT = pytest.mark.parametrize(
    "spoil",
    [lambda world: world.config.unlink(), lambda world: world.config.write_text("<domain")],
    ids=["deleted", "garbage"],
)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_running_guest_is_running_and_is_remembered(world: World, action: str) -> None:
    domain = world.guest()
    assert world.act(action) == (0, "", "")
    assert world.remembered == (G1, Stage.RUNNING, world.qemu_of(domain).life)


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_qemu_it_is_not_running(world: World, action: str) -> None:
    assert world.act(action) == (7, "", "")
    assert world.stage == "nothing"


def test_without_a_qemu_it_is_not_running_and_libvirt_is_not_even_asked(world: World) -> None:
    world.here.down = "Connection refused"
    world.here.stuck = True
    assert world.probe().rc == 7
    assert world.here.calls == []


@pytest.mark.parametrize(
    ("state", "rc"), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (6, 1), (7, 0), (99, 1)]
)
def test_libvirt_tells_the_state_of_a_living_qemu(world: World, state: int, rc: int) -> None:
    domain = world.guest()
    domain.state = state
    called = heard(world)
    assert called.rc == rc
    assert called.reason.startswith("g1: QEMU lives, but libvirt says") == (rc == 1)


def test_a_qemu_that_libvirt_does_not_know_is_never_called_stopped(world: World) -> None:
    qemu = world.table.start_qemu("g1", UUID)
    assert heard(world).outcome == (1, "g1: QEMU lives, but libvirt has no such domain")
    qemu.end()
    assert world.act("monitor").rc == 7


def test_libvirt_is_asked_again_while_it_and_the_process_table_disagree(world: World) -> None:
    """A guest that is just being destroyed is off for libvirt before its process has ended."""
    domain = world.guest()
    domain.state = SHUTOFF

    world.here.when("virDomainGetState", lambda: world.here.end(domain), call=3)
    assert world.act("monitor").rc == 7


@pytest.mark.parametrize("remembered", [False, True])
def test_a_libvirt_that_is_down_is_no_fault_of_the_guest(world: World, remembered: bool) -> None:
    domain = world.guest()
    if remembered:
        world.remember(Stage.RUNNING, world.qemu_of(domain).life)
    world.here.down = "Failed to connect socket"
    assert world.act("monitor").rc == 0
    assert world.probe().rc == 0
    assert world.remembered == (G1, Stage.RUNNING, world.qemu_of(domain).life)


def test_an_error_of_libvirts_is_no_word_about_the_guest(world: World) -> None:
    world.guest()
    world.here.script("virDomainGetState", Trouble(SYSTEM, "cannot allocate memory"))
    world.here.script("virDomainLookupByUUIDString", Trouble(SYSTEM, "broken", breaks=True))
    assert [world.act("monitor").rc, world.act("monitor").rc] == [0, 0]


def test_a_stuck_libvirt_is_answered_for_by_the_process_table_in_time(world: World) -> None:
    """Pacemaker's timeout may be shorter than our patience with libvirt."""
    world.patch.setattr(monitor, "_PATIENCE_S", 60.0)
    world.patch.setattr(monitor, "_RESERVE_S", 17.0)
    world.guest()
    world.here.stuck = True
    called = world.act("monitor", timeout_s=20)
    # Past the deadline the reason would be that, and the code 1.
    assert called.outcome == (0, "")
    assert thread_call.abandoned()


def test_a_libvirt_that_falls_silent_does_not_take_back_what_it_said(world: World) -> None:
    world.patch.setattr(monitor, "_PATIENCE_S", 2.0)
    domain = world.guest()
    domain.state = SHUTOFF

    def fall_silent() -> None:
        world.here.down = "restarting"

    world.here.when("virDomainGetState", fall_silent)
    assert world.act("monitor").rc == 1


def test_a_stuck_libvirt_does_not_hide_the_death_of_the_guest(world: World) -> None:
    domain = world.guest()
    world.remember(Stage.RUNNING, world.qemu_of(domain).life)
    world.qemu_of(domain).end()
    world.here.stuck = True
    assert world.act("monitor").rc == 7


def test_a_zombie_with_a_living_thread_is_not_stopped(world: World) -> None:
    """Its command line is empty and /proc says Z, but the thread may still write to a disk."""
    qemu = world.table.start_half_dead_qemu("g1", UUID)
    world.guest(qemu=qemu)
    world.here.down = "restarting"
    assert world.probe().rc == 0
    assert world.act("monitor").rc == 0
    qemu.end()
    assert world.act("monitor").rc == 7


def test_the_guest_of_another_uuid_is_for_a_person(world: World) -> None:
    world.here.add("g1", OTHER_UUID, RUNNING)
    for called in (world.act("monitor"), world.probe()):
        assert called.rc == 1
        assert f"g1 with uuid {OTHER_UUID}, not {UUID}" in called.reason


def test_a_reused_pid_is_not_taken_for_the_guest(world: World) -> None:
    other = world.table.start_other()
    for start_time in (1, other.life.start_time - 1):
        world.remember(Stage.RUNNING, other.life._replace(start_time=start_time))
        assert world.act("monitor").rc == 7


def test_a_new_life_of_a_remembered_guest_is_found_and_remembered(world: World) -> None:
    domain = world.guest()
    world.remember(Stage.RUNNING, Life(2**22 - 1, 1))
    assert world.act("monitor").rc == 0
    assert world.remembered == (G1, Stage.RUNNING, world.qemu_of(domain).life)


def test_a_probe_remembers_the_guest_that_it_finds(world: World) -> None:
    domain = world.guest()
    assert world.probe().rc == 0
    assert world.remembered == (G1, Stage.RUNNING, world.qemu_of(domain).life)


def test_what_is_remembered_is_not_written_again(world: World) -> None:
    world.guest()
    world.act("monitor")
    directory = world.config.parent / "run" / "domains"
    before = os.stat(directory / "vm1")
    world.act("monitor")
    after = os.stat(directory / "vm1")
    # Not the whole of it: reading changes the time of access.
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@SPOILT
def test_a_remembered_guest_needs_no_definition(
    world: World, spoil: Callable[[World], object]
) -> None:
    world.guest()
    world.act("monitor")
    spoil(world)
    assert world.act("monitor") == (0, "", "")


@SPOILT
def test_without_definition_and_memory_the_files_name_is_the_guess(
    world: World, spoil: Callable[[World], object]
) -> None:
    """Neither a stopped guest on a host without its definition, nor a running one, is a lie."""
    spoil(world)
    assert world.probe().says(7, "going by the file's name")
    world.guest()
    assert world.probe().rc == 0
    assert world.here.called("virDomainLookupByName")


def test_without_the_parameter_config_nothing_can_be_told(world: World) -> None:
    called = world.act("monitor", config="")
    assert called.outcome == (6, "parameter config is required and not set")


@pytest.mark.parametrize(("given", "asked"), [("", HERE), ("qemu:///session", "qemu:///session")])
def test_the_parameter_hypervisor_says_who_is_asked(world: World, given: str, asked: str) -> None:
    world.guest()
    world.hypervisor(asked).add("g1", UUID, CRASHED)
    assert world.act("monitor", hypervisor=given).rc == 1


# Where libvirt is the only witness.


@pytest.mark.parametrize(
    ("state", "rc"), [(1, 0), (3, 0), (4, 0), (5, 7), (6, 1), (7, 0), (None, 7)]
)
def test_other_hypervisors_are_judged_by_libvirt(world: World, state: int | None, rc: int) -> None:
    world.no_qemu("lxc", state)
    assert world.act("monitor").rc == rc


def test_other_hypervisors_wait_for_a_libvirt_that_comes_back(world: World) -> None:
    hypervisor = world.no_qemu("lxc", RUNNING)
    hypervisor.script("virConnectOpen", *[Trouble(SYSTEM, "restarting")] * 3)
    assert world.act("monitor").rc == 0


def test_other_hypervisors_never_say_stopped_while_libvirt_is_away(world: World) -> None:
    hypervisor = world.no_qemu("lxc")
    hypervisor.down = "Failed to connect"
    called = world.act("monitor", timeout_s=4, CRM_meta_interval="0")
    assert called.outcome == (1, "Failed to connect")


# A start that has not come to its end.


@pytest.mark.parametrize("action", ["monitor", "probe"])
def test_the_abandoned_create_of_a_killed_start_is_removed(world: World, action: str) -> None:
    abandoned = world.qemu_of(world.guest(PAUSED))
    world.remember(Stage.CREATING)
    called = world.probe() if action == "probe" else world.act("monitor")
    assert called.rc == 7
    assert not abandoned.lives
    # A create of that start may still come.
    assert world.stage == "CREATING"


def test_a_shell_is_removed_in_time_although_libvirt_is_stuck(world: World) -> None:
    abandoned = world.qemu_of(world.guest(PAUSED))
    world.remember(Stage.CREATING)
    world.here.stuck = True
    assert world.act("monitor", timeout_s=1).rc == 7
    assert not abandoned.lives


def test_the_abandoned_create_of_a_running_start_is_left_alone(world: World) -> None:
    """Who holds the lock is still at work."""
    abandoned = world.qemu_of(world.guest(PAUSED))
    world.remember(Stage.CREATING)
    with record.lock("vm1", Deadline(0)):
        assert world.act("monitor").rc == 0
    assert abandoned.lives
    assert world.stage == "CREATING"


def test_a_qemu_that_waits_for_a_migration_is_not_abandoned(world: World) -> None:
    qemu = world.table.start_qemu("g1", UUID, incoming=True)
    world.guest(PAUSED, qemu=qemu).job = arriving
    world.remember(Stage.CREATING)
    assert world.act("monitor").rc == 0
    assert qemu.lives


def test_a_qemu_that_runs_is_not_abandoned_and_is_not_taken_for_one_later(world: World) -> None:
    """Somebody resumed it by hand; libvirt's next restart must not be its death."""
    qemu = world.qemu_of(world.guest(RUNNING))
    world.remember(Stage.CREATING)
    assert world.act("monitor").rc == 0
    world.here.down = "restarting"
    assert world.act("monitor").rc == 0
    assert qemu.lives


@pytest.mark.parametrize("answers", [True, False])
def test_a_paused_guest_that_has_run_is_not_abandoned(world: World, answers: bool) -> None:
    """An administrator has started and then suspended it, beside the mark of a killed start."""
    qemu = world.table.start_qemu("g1", UUID, has_run=True)
    world.guest(PAUSED, qemu=qemu)
    world.remember(Stage.CREATING)
    world.here.down = "" if answers else "restarting"
    assert world.probe().rc == 0
    assert qemu.lives


def test_a_start_that_ends_beside_a_monitor_has_made_not_abandoned(world: World) -> None:
    """The monitor reads that it is being created; when it has the lock, that is over."""
    qemu = world.qemu_of(world.guest(PAUSED))
    world.remember(Stage.CREATING)
    with record.lock("vm1", Deadline(0)):
        pass
    flock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        world.remember(Stage.RUNNING, qemu.life)
        flock(descriptor, operation)

    world.patch.setattr(fcntl, "flock", late)
    assert world.act("monitor").rc == 0
    assert qemu.lives
    assert world.stage == "RUNNING"


@pytest.mark.parametrize(("stage", "has_run"), [(Stage.RESUMING, True), (Stage.RUNNING, False)])
def test_a_paused_guest_that_has_been_started_is_left_alone(
    world: World, stage: Stage, has_run: bool
) -> None:
    """An administrator may pause a guest."""
    qemu = world.table.start_qemu("g1", UUID, has_run=has_run)
    world.guest(PAUSED, qemu=qemu)
    world.remember(stage)
    assert world.act("monitor").rc == 0
    assert qemu.lives


# Further checks.


def test_a_monitor_makes_few_calls_and_changes_nothing(world: World) -> None:
    world.guest()
    world.act("monitor")
    world.here.calls.clear()
    world.act("monitor")
    assert [call.function for call in world.here.calls] == [
        "virConnectOpen",
        "virDomainLookupByUUIDString",
        "virDomainGetState",
    ]


def test_a_living_guest_is_known_without_libvirts_binding(world: World) -> None:
    world.guest()
    world.patch.setitem(sys.modules, "libvirtmod", None)
    assert world.act("monitor").rc == 0
