# SPDX-License-Identifier: GPL-2.0-or-later
"""migrate_from: whether the guest runs here now."""

from __future__ import annotations

import pytest

from agents.virtual_domain.actions import migrate_from
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    PAUSED,
    RUNNING,
    FakeHypervisor,
    arriving,
)
from tests.unit.virtual_domain.world import G1, OTHER_UUID, UUID, World


def test_a_guest_that_has_arrived_is_remembered(world: World) -> None:
    domain = world.guest()
    assert world.act("migrate_from", CRM_meta_migrate_source="node1").says(0, "g1: arrived")
    assert world.remembered == (G1, Stage.RUNNING, world.qemu_of(domain).life)


@pytest.mark.parametrize("remembered", [False, True])
def test_a_guest_whose_memory_is_still_arriving_is_waited_for(
    world: World, remembered: bool
) -> None:
    """Also where a killed start left its mark: who waits for a migration is no abandoned create."""
    qemu = world.table.start_qemu("g1", UUID, incoming=True)
    domain = world.guest(PAUSED, qemu=qemu)
    domain.job = arriving
    if remembered:
        world.remember(Stage.CREATING)

    def resume() -> None:
        domain.state = RUNNING

    world.here.when("virDomainGetState", resume, call=5)
    assert world.act("migrate_from").rc == 0
    assert qemu.lives
    assert len(world.here.called("virDomainGetState")) >= 5
    assert world.remembered == (G1, Stage.RUNNING, qemu.life)


def test_a_guest_that_does_not_arrive_is_a_failure_at_the_deadline(world: World) -> None:
    called = world.act("migrate_from", timeout_s=4)
    assert called.outcome == (1, "g1: did not arrive: no such QEMU lives")


def test_a_silent_libvirt_is_no_obstacle_to_an_arrival(world: World) -> None:
    world.guest()
    world.here.down = "restarting"
    assert world.act("migrate_from").rc == 0
    assert world.stage == "RUNNING"


def test_a_foreign_guest_of_that_name_has_not_arrived(world: World) -> None:
    world.table.start_qemu("g1", OTHER_UUID)
    assert world.act("migrate_from").names(1, "a person must say which is meant")


def test_an_arrival_whose_scripts_are_not_content_is_a_failure(world: World) -> None:
    world.guest()
    script = world.script("script", "echo no web server\nexit 1")
    called = world.act("migrate_from", monitor_scripts=script)
    assert called.outcome == (1, f"monitor script {script} ended with 1: no web server")


def test_a_guest_that_was_paused_when_it_left_arrives_paused(world: World) -> None:
    domain = world.guest(PAUSED)
    assert world.act("migrate_from").rc == 0
    assert domain.state == PAUSED


# The source.

FROM_NODE1 = {"CRM_meta_migrate_source": "node1", "migration_transport": "tcp"}


@pytest.fixture
def source(world: World) -> FakeHypervisor:
    """The libvirtd that the guest came from."""
    world.guest()
    return world.hypervisor("qemu+tcp://node1/system")


@pytest.mark.parametrize("left", ["nothing", "a definition", "an abandoned create"])
def test_a_source_that_let_go_is_content(world: World, source: FakeHypervisor, left: str) -> None:
    if left != "nothing":
        source.add("g1", UUID, PAUSED if left == "an abandoned create" else 5)
    assert world.act("migrate_from", FROM_NODE1).rc == 0
    assert source.called("virConnectOpen")


def test_a_guest_that_runs_on_both_ends_has_not_arrived(
    world: World, source: FakeHypervisor
) -> None:
    world.patch.setattr(migrate_from, "SOURCE_S", 2.0)
    source.add("g1", UUID, RUNNING)
    assert world.act("migrate_from", FROM_NODE1).outcome == (1, "g1: runs here, and also on node1")


def test_a_source_that_takes_a_moment_is_waited_for(world: World, source: FakeHypervisor) -> None:
    domain = source.add("g1", UUID, RUNNING)

    def let_go() -> None:
        domain.state = 5

    source.when("virDomainGetState", let_go, call=3)
    assert world.act("migrate_from", FROM_NODE1).rc == 0


@pytest.mark.parametrize("trouble", ["down", "stuck"])
def test_a_source_that_cannot_be_asked_is_no_obstacle(
    world: World, source: FakeHypervisor, trouble: str
) -> None:
    world.patch.setattr(migrate_from, "SOURCE_S", 0.5)
    if trouble == "down":
        source.down = "No route to host"
    source.stuck = trouble == "stuck"
    assert world.act("migrate_from", FROM_NODE1).says(0, "node1 can't be asked whether it let go")
