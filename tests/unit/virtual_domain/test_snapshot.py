# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that a stop saves and a start goes on with, at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    OPERATION_FAILED,
    PAUSED,
    RPC,
    Trouble,
    arriving,
)
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from pathlib import Path

SAVE, RESTORE, SHUTDOWN = "virDomainSaveFlags", "virDomainRestoreFlags", "virDomainShutdownFlags"


def image(world: World) -> Path:
    """Where the guest's memory goes."""
    return world.directory / "g1.state"


def save(world: World) -> None:
    world.guest()
    assert world.act("stop", snapshot=str(world.directory)).rc == 0
    assert image(world).exists()


def test_a_stop_saves_the_memory_and_the_start_goes_on_with_it(world: World) -> None:
    save(world)
    assert world.table.living() == []
    assert world.here.called(SHUTDOWN, "virDomainDestroy") == []
    assert world.act("start", snapshot=str(world.directory)).rc == 0
    world.assert_started()
    assert world.here.called("virDomainCreateXML") == []
    assert not image(world).exists()


def test_the_guest_goes_on_through_the_connection_that_it_was_saved_by(world: World) -> None:
    """heartbeat's restore went to libvirt's default."""
    there = world.hypervisor("qemu:///elsewhere")
    there.start_qemu = world.here.start_qemu
    save(world)
    parameters = {"snapshot": str(world.directory), "hypervisor": "qemu:///elsewhere"}
    assert world.act("start", parameters).rc == 0
    assert len(there.called(RESTORE)) == 1
    assert world.here.called(RESTORE) == []


def test_the_memory_is_gone_before_the_guest_runs(world: World) -> None:
    """Restored a second time it would find disks that have gone on."""
    save(world)
    seen: list[bool] = []
    world.here.when("virDomainResume", lambda: seen.append(image(world).exists()))
    assert world.act("start", snapshot=str(world.directory)).rc == 0
    assert seen == [False]


def test_without_memory_the_guest_boots(world: World) -> None:
    assert world.act("start", snapshot=str(world.directory)).rc == 0
    world.assert_started()
    assert world.here.called(RESTORE) == []


def test_a_guest_that_cannot_be_saved_is_shut_down(world: World) -> None:
    world.guest()
    world.here.script(SAVE, Trouble(OPERATION_FAILED, "no space left on device"))
    called = world.act("stop", snapshot=str(world.directory))
    assert called.says(0, f"not saved to {image(world)}: no space left on device")
    assert len(world.here.called(SHUTDOWN)) == 1


def test_a_guest_that_libvirt_does_not_know_is_not_said_to_be_saved(world: World) -> None:
    """It lives, and was never asked to shut down when it was destroyed."""
    world.guest()
    world.here.domains.pop("g1")
    called = world.act("stop", snapshot=str(world.directory))
    assert f"not saved to {image(world)}: libvirt has no such domain" in called.err
    assert "saved to" not in called.err.replace("not saved to", "")


def test_a_save_that_takes_too_long_is_aborted(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    world.here.when(SAVE, world.here.hang)
    assert world.act("stop", timeout_s=3, snapshot=str(world.directory)).rc == 0
    assert len(world.here.called("virDomainAbortJob")) == 1
    assert qemu.exit_code() < 0


def test_the_disk_under_a_saved_memory_is_left_alone(world: World) -> None:
    """A new disk under an old memory would be the end of both."""
    save(world)
    disk = world.config.with_suffix(".qcow2")
    disk.write_text("old")
    more = {"snapshot": str(world.directory), "backingfile": "/etc/passwd", "stateless": "yes"}
    assert world.act("start", more).rc == 0
    assert disk.read_text() == "old"
    world.assert_started()


def test_a_forced_stop_saves_nothing(world: World) -> None:
    world.guest()
    assert world.act("stop", snapshot=str(world.directory), force_stop="yes").rc == 0
    assert not image(world).exists()


def test_memory_that_cannot_be_read_is_for_a_person(world: World) -> None:
    save(world)
    world.here.script(RESTORE, Trouble(OPERATION_FAILED, "save image is incomplete"))
    assert world.act("start", snapshot=str(world.directory)).outcome == (
        1,
        f"libvirt: save image is incomplete: move {image(world)} away to boot afresh",
    )
    assert image(world).exists()
    assert world.stage == "nothing"


def test_the_memory_of_another_guest_is_not_restored(world: World) -> None:
    image(world).write_text(f'["g1", "{OTHER_UUID}"]')
    called = world.act("start", snapshot=str(world.directory))
    assert called.names(5, f"is the memory of g1, uuid {OTHER_UUID}")
    assert world.here.called(RESTORE) == []


def test_a_restore_is_written_down_before_it_begins(world: World) -> None:
    save(world)
    stages: dict[str, str] = {}
    world.here.watch = lambda function: stages.update({function: world.stage})
    assert world.act("start", snapshot=str(world.directory)).rc == 0
    assert stages[RESTORE] == "RESTORING"
    assert stages["virDomainResume"] == "RESUMING"
    world.assert_started()


@pytest.mark.parametrize("trouble", ["arriving", "silent"])
def test_a_destination_of_a_migration_is_not_abandoned(world: World, trouble: str) -> None:
    qemu = world.table.start_qemu("g1", UUID, incoming=True)
    domain = world.guest(PAUSED, qemu=qemu)
    world.remember(Stage.RESTORING)
    if trouble == "arriving":
        domain.job = arriving
    else:
        world.here.script("virDomainGetJobStats", Trouble(RPC, "closed"))
    world.act("monitor")
    assert qemu.lives


@pytest.mark.parametrize(
    ("stage", "rc"),
    [
        # Its command line is that of a migration's destination.
        pytest.param(Stage.RESTORING, 7, id="what a killed restore leaves is removed"),
        # virsh restore --paused, on a host where a start of another kind was killed: it is nowhere
        # else any more.
        pytest.param(Stage.CREATING, 0, id="what no start has restored is left alone"),
    ],
)
def test_a_memory_in_a_paused_qemu(world: World, stage: Stage, rc: int) -> None:
    qemu = world.table.start_qemu("g1", UUID, incoming=True)
    world.guest(PAUSED, qemu=qemu)
    world.remember(stage)
    assert world.probe().rc == rc
    assert qemu.lives == (rc == 0)
