# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt creates and will not resume is no guest: it is ended, by whoever meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.virt import qemu as qemus
from pmkvm.virt import record
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    INTERNAL,
    OPERATION_INVALID,
    PAUSED,
    RPC,
    RUNNING,
    SHUTOFF,
    SYSTEM,
    Trouble,
    arriving,
)
from tests.unit.virtual_domain.world import UUID, World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.virt.fake_qemu import FakeQemu

RESOURCE_BUSY = 87
BUSY = Trouble(RESOURCE_BUSY, "resource busy: Lockspace resource '/d' is locked")
RESUME, DESTROY, RESTORE = "virDomainResume", "virDomainDestroy", "virDomainRestoreFlags"
SAVE, SHUTDOWN = "virDomainSaveFlags", "virDomainShutdownFlags"


def paused(
    world: World, stage: Stage, *, has_run: bool = False, incoming: bool = False
) -> FakeQemu:
    """A QEMU that is paused where a start has come so far."""
    qemu = world.table.start_qemu("g1", UUID, has_run=has_run, incoming=incoming)
    world.guest(PAUSED, qemu=qemu)
    world.remember(stage)
    return qemu


# The start itself.


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("code", [RESOURCE_BUSY, INTERNAL, SYSTEM])
def test_a_start_ends_it_at_once_and_fails_for_libvirts_reason(
    world: World, persistent: bool, code: int
) -> None:
    if persistent:
        world.guest(SHUTOFF, persistent=True)
    world.here.script(RESUME, Trouble(code, "resource busy"))
    assert world.act("start").outcome == (1, "libvirt: resource busy")
    assert world.table.living() == []
    assert len(world.here.called(DESTROY)) == 1
    assert world.stage == "nothing"
    assert world.act("monitor").rc == 7
    assert world.act("stop").rc == 0
    assert world.here.called(SHUTDOWN) == []
    # It waits for nothing: the next start may find the lock free.
    assert world.act("start").rc == 0
    world.assert_started()


def test_a_refusal_that_passes_by_itself_is_tried_again_with_a_new_create(world: World) -> None:
    world.here.script(RESUME, Trouble(OPERATION_INVALID, "domain is already being removed"))
    assert world.act("start").rc == 0
    assert len(world.here.called("virDomainCreateXML")) == 2
    world.assert_started()


def test_a_start_that_is_refused_after_an_abandoned_create_is_refused_soon(world: World) -> None:
    paused(world, Stage.CREATING)
    world.here.domains.pop("g1")
    world.here.script(RESUME, BUSY, BUSY)
    assert world.act("start").outcome == (1, f"libvirt: {BUSY.text}")
    assert world.table.living() == []


def test_where_libvirt_cannot_end_it_the_kernel_does(world: World) -> None:
    world.here.script(RESUME, BUSY)
    world.here.script(DESTROY, Trouble(INTERNAL, "cannot kill"))
    called = world.act("start")
    assert called.outcome == (1, f"libvirt: {BUSY.text}")
    assert "g1: no destroy: cannot kill" in called.err
    assert world.table.living() == []
    assert world.stage == "nothing"


@pytest.mark.parametrize("how", ["libvirt says so", "its CPUs have run"])
def test_one_that_runs_all_the_same_is_not_ended(world: World, how: str) -> None:
    """An error is no proof that it was not resumed."""
    if how == "its CPUs have run":
        world.here.start_qemu = lambda domain: world.table.start_qemu(
            domain.name, domain.uuid, has_run=True
        )

    def resume() -> None:
        if how == "libvirt says so":
            world.here.domains["g1"].state = RUNNING

    world.here.when(RESUME, resume)
    world.here.script(RESUME, Trouble(INTERNAL, "who knows"))
    assert world.act("start").outcome == (1, "libvirt: who knows")
    assert world.here.called(DESTROY) == []
    assert len(world.table.living()) == 1
    assert world.stage == "RESUMING"
    assert world.act("monitor").rc == 0


def test_one_that_nobody_can_end_is_known_for_what_it_is(world: World) -> None:
    """Its storage is dead. A monitor does not say 0, and a stop does not ask it."""
    world.here.script(RESUME, BUSY)
    world.here.script(DESTROY, Trouble(INTERNAL, "cannot kill"))
    kill = qemus.kill
    world.patch.setattr(qemus, "kill", lambda *_: False)
    called = world.act("start")
    assert called.outcome == (1, f"libvirt: {BUSY.text}")
    assert "g1: what libvirt did not resume stays: g1: QEMU" in called.err
    assert world.stage == "CREATING"
    assert world.act("monitor").fails(1, "g1: QEMU ")
    world.patch.setattr(qemus, "kill", kill)
    assert world.act("stop").rc == 0
    assert world.here.called(SHUTDOWN) == []
    assert world.table.living() == []


def test_a_guest_of_another_hypervisor_is_destroyed_too(world: World) -> None:
    hypervisor = world.no_qemu("xen", SHUTOFF)
    hypervisor.script(RESUME, BUSY)
    assert world.act("start").outcome == (1, f"libvirt: {BUSY.text}")
    assert len(hypervisor.called(DESTROY)) == 1
    assert world.act("monitor").rc == 7
    assert world.stage == "nothing"


# A start that was killed around its resume.


@pytest.mark.parametrize("action", ["monitor", "probe", "stop"])
def test_what_a_killed_start_did_not_resume_is_removed(world: World, action: str) -> None:
    qemu = paused(world, Stage.RESUMING)
    called = world.probe() if action == "probe" else world.act(action)
    assert called.rc == (0 if action == "stop" else 7)
    assert not qemu.lives
    assert world.here.called(SHUTDOWN) == []
    assert world.stage == "nothing"


@pytest.mark.parametrize("breaks", [True, False])
def test_while_libvirt_is_silent_nobody_knows_whether_it_was_resumed(
    world: World, breaks: bool
) -> None:
    """What has run for a moment has not used much time of its CPUs."""
    qemu = paused(world, Stage.RESUMING)
    world.here.down = "restarting" if breaks else ""
    if not breaks:
        world.here.domains["g1"].state = RUNNING
    assert world.act("monitor").rc == 0
    assert qemu.lives


def test_what_a_start_under_way_resumes_is_left_alone(world: World) -> None:
    qemu = paused(world, Stage.RESUMING)
    with record.lock("vm1", Deadline(0)):
        assert world.act("monitor").rc == 0
    assert qemu.lives


def test_the_next_start_resumes_it(world: World) -> None:
    qemu = paused(world, Stage.RESUMING)
    assert world.act("start").rc == 0
    assert world.table.living() == [qemu]
    world.assert_started()


def test_a_start_that_may_not_resume_it_either_makes_another(world: World) -> None:
    qemu = paused(world, Stage.RESUMING)
    world.here.domains["g1"].persistent = True
    world.here.script(RESUME, BUSY, BUSY)
    assert world.act("start").outcome == (1, f"libvirt: {BUSY.text}")
    assert not qemu.lives
    assert world.table.living() == []


# One that holds a memory.


def image(world: World) -> Path:
    return world.directory / "g1.state"


def saved(world: World) -> dict[str, str]:
    """The guest's memory is in a file; the parameters that say so."""
    world.guest()
    parameters = {"snapshot": str(world.directory)}
    assert world.act("stop", parameters).rc == 0
    return parameters


def test_the_memory_of_a_restore_that_is_not_resumed_is_there_for_the_next_start(
    world: World,
) -> None:
    parameters = saved(world)
    world.here.script(RESUME, BUSY)
    called = world.act("start", parameters)
    assert called.outcome == (1, f"libvirt: {BUSY.text}")
    assert world.table.living() == []
    assert image(world).exists()
    assert world.stage == "nothing"
    assert world.act("start", parameters).rc == 0
    assert len(world.here.called(RESTORE)) == 2
    assert list(world.directory.glob("*.state*")) == []
    world.assert_started()


def test_a_memory_that_may_have_run_is_never_put_back(world: World) -> None:
    parameters = saved(world)
    world.here.script(RESUME, Trouble(RPC, "closed", breaks=True))

    def resume() -> None:
        world.here.domains["g1"].state = RUNNING

    world.here.when(RESUME, resume)
    assert world.act("start", parameters).rc == 0
    assert not image(world).exists()
    world.assert_started()


def test_one_left_by_a_killed_restore_is_neither_well_nor_killed_by_a_monitor(world: World) -> None:
    qemu = paused(world, Stage.RESUMING, incoming=True)
    assert world.act("monitor").outcome == (
        1,
        "g1: holds a restored memory, and its start did not resume it",
    )
    assert qemu.lives
    assert world.stage == "RESUMING"


@pytest.mark.parametrize("has_snapshot", [True, False])
def test_a_stop_of_it_loses_no_time_and_saves_what_it_can(world: World, has_snapshot: bool) -> None:
    qemu = paused(world, Stage.RESUMING, incoming=True)
    parameters = {"snapshot": str(world.directory)} if has_snapshot else {}
    assert world.act("stop", parameters).rc == 0
    assert world.here.called(SHUTDOWN) == []
    assert image(world).exists() == has_snapshot
    assert not qemu.lives


def test_one_that_arrives_beside_an_old_record_is_left_alone(world: World) -> None:
    qemu = paused(world, Stage.RESUMING, incoming=True)
    world.here.domains["g1"].job = arriving
    assert world.act("monitor").rc == 0
    assert qemu.lives
