# SPDX-License-Identifier: GPL-2.0-or-later
"""0 means that its QEMU is proven dead, by whoever killed it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.stopping import shutdown
from pmkvm.deadline import Deadline
from pmkvm.process import Life
from pmkvm.virt import record
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    CRASHED,
    PAUSED,
    RPC,
    RUNNING,
    SHUTOFF,
    SYSTEM,
    Trouble,
)
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain

ORDERS = ("virDomainShutdownFlags", "virDomainDestroy")
SHUTDOWN, DESTROY = ORDERS


def orders(world: World) -> list[str]:
    return [call.function for call in world.here.called(*ORDERS)]


def deaf_guest(world: World) -> FakeDomain:
    """Its QEMU ignores SIGTERM."""
    return world.guest(qemu=world.table.start_qemu("g1", UUID, deaf=True))


def test_a_guest_that_honours_the_request_is_not_destroyed(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    world.act("monitor")
    assert world.act("stop").outcome == (0, "")
    assert orders(world) == [SHUTDOWN]
    assert not qemu.lives
    assert world.stage == "nothing"


def test_a_guest_that_ignores_the_request_is_destroyed_with_time_left(world: World) -> None:
    domain = world.guest()
    domain.honours_shutdown = False
    assert world.act("stop", timeout_s=6, destroy_margin="100").outcome == (0, "")
    assert orders(world) == [SHUTDOWN, DESTROY]
    assert world.table.living() == []


@pytest.mark.parametrize("state", [RUNNING, PAUSED, CRASHED])
def test_a_forced_stop_does_not_ask(world: World, state: int) -> None:
    world.guest().state = state
    assert world.act("stop", force_stop="yes").rc == 0
    assert orders(world) == [DESTROY]
    assert world.table.living() == []


def test_stop_is_idempotent(world: World) -> None:
    world.guest()
    assert [world.act("stop").rc for _ in range(3)] == [0, 0, 0]
    assert len(orders(world)) == 1


def test_a_guest_that_is_not_here_needs_no_libvirt(world: World) -> None:
    world.here.stuck = True
    assert world.act("stop") == (0, "", "")
    assert world.here.calls == []


def test_a_persistent_definition_is_left_to_libvirt(world: World) -> None:
    domain = world.guest(persistent=True)
    assert world.act("stop").rc == 0
    assert world.here.domains["g1"] is domain
    assert domain.state == SHUTOFF


# Without a definition.


@pytest.mark.parametrize("trouble", ["deleted", "garbage", "another guest's", "not named"])
def test_a_remembered_guest_is_stopped_whatever_became_of_its_definition(
    world: World, trouble: str
) -> None:
    """heartbeat:VirtualDomain says stopped here and leaves the guest running."""
    qemu = world.qemu_of(world.guest())
    world.act("monitor")
    if trouble == "deleted":
        world.config.unlink()
    elif trouble == "garbage":
        world.config.write_text("<domain")
    elif trouble == "another guest's":
        world.define(uuid=OTHER_UUID)
    given = {"config": ""} if trouble == "not named" else {}
    assert world.act("stop", given).rc == 0
    assert not qemu.lives
    assert world.stage == "nothing"


def test_a_guest_that_nobody_remembers_is_stopped_by_the_files_name(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    world.config.unlink()
    assert world.act("stop").rc == 0
    assert not qemu.lives


def test_without_config_and_memory_there_is_nothing_to_stop(world: World) -> None:
    assert world.act("stop", config="").says(0, "never started here")


def test_a_bad_parameter_does_not_keep_a_guest_alive(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    assert world.act("stop", force_stop="perhaps", migrateport="x").rc == 0
    assert not qemu.lives


# Without libvirt.


@pytest.mark.usefixtures("impatient")
def test_with_libvirt_down_qemu_gets_sigterm(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    world.here.down = "Connection refused"
    assert world.act("stop").says(0, f"SIGTERM to QEMU {qemu.pid}")
    assert qemu.exit_code() == -signal.SIGTERM


@pytest.mark.usefixtures("impatient", "soon_killed")
@pytest.mark.parametrize("force", ["no", "yes"])
def test_with_libvirt_down_a_deaf_qemu_gets_sigkill(world: World, force: str) -> None:
    qemu = world.qemu_of(deaf_guest(world))
    world.here.down = "Connection refused"
    assert world.act("stop", force_stop=force).says(0, f"SIGKILL to QEMU {qemu.pid}")
    assert qemu.exit_code() == -signal.SIGKILL


def test_a_stuck_libvirt_leaves_time_for_the_kill_in_a_short_timeout(world: World) -> None:
    """With no limit of ours set lower: the shares must fit into what Pacemaker allows."""
    qemu = world.qemu_of(deaf_guest(world))
    world.here.stuck = True
    assert world.act("stop", timeout_s=8, destroy_margin="100").outcome == (0, "")
    assert qemu.exit_code() == -signal.SIGKILL


def test_a_libvirt_that_comes_back_shuts_the_guest_down_in_order(world: World) -> None:
    world.patch.setattr(shutdown, "_RETRY_S", 0.01)
    world.guest()
    world.here.script("virConnectOpen", *[Trouble(SYSTEM, "restarting")] * 2)
    called = world.act("stop")
    assert called.rc == 0
    assert orders(world) == [SHUTDOWN]
    assert "no shutdown: restarting" in called.err


@pytest.mark.parametrize("function", ORDERS)
def test_a_connection_that_breaks_does_not_keep_a_guest_alive(world: World, function: str) -> None:
    # Not impatient: on a busy machine the call might be given up before it runs into its trouble.
    world.patch.setattr(shutdown, "_RETRY_S", 0.01)
    qemu = world.qemu_of(world.guest())
    world.here.script(function, Trouble(RPC, "closed", breaks=True))
    force = "yes" if function == DESTROY else "no"
    assert world.act("stop", force_stop=force).rc == 0
    assert not qemu.lives


@pytest.mark.usefixtures("impatient")
def test_a_qemu_that_libvirt_does_not_know_is_killed(world: World) -> None:
    qemu = world.table.start_qemu("g1", UUID)
    assert world.act("stop").rc == 0
    assert qemu.exit_code() == -signal.SIGTERM


@pytest.mark.usefixtures("impatient")
def test_a_zombie_with_a_living_thread_is_killed_and_not_taken_for_stopped(world: World) -> None:
    qemu = world.table.start_half_dead_qemu("g1", UUID)
    world.here.down = "Connection refused"
    assert world.act("stop").rc == 0
    assert not qemu.lives


@pytest.mark.usefixtures("impatient")
def test_all_lives_are_ended(world: World) -> None:
    for _ in range(3):
        world.table.start_qemu("g1", UUID)
    world.here.down = "Connection refused"
    assert world.act("stop").rc == 0
    assert world.table.living() == []


@pytest.mark.usefixtures("impatient")
def test_nobody_but_the_guest_is_killed(world: World) -> None:
    """Not who has its pid now, nor another guest; libvirt has nothing to say in it."""
    world.here.down = "Connection refused"
    reused = world.table.start_other()
    other = world.table.start_qemu("g2", OTHER_UUID)
    world.remember(Stage.RUNNING, Life(reused.pid, reused.life.start_time - 1))
    assert world.act("stop").rc == 0
    world.remember(Stage.RUNNING, Life(other.pid, other.life.start_time + 1))
    assert world.act("stop").rc == 0
    assert reused.lives
    assert other.lives


def test_a_foreign_guest_of_that_name_is_neither_stopped_nor_called_stopped(world: World) -> None:
    foreign = world.table.start_qemu("g1", OTHER_UUID)
    assert world.act("stop").names(1, "a person must say which is meant")
    assert foreign.lives


def test_a_process_table_that_cannot_be_read_is_no_proof(world: World) -> None:
    world.guest()
    world.table.directory.rename(world.table.directory.with_name("gone"))
    assert world.act("stop").fails(1, "stop failed: FileNotFoundError")
    world.table.directory.with_name("gone").rename(world.table.directory)


# A start that has not come to its end.


def test_the_abandoned_create_of_a_killed_start_is_removed_and_a_later_one_will_be_known(
    world: World,
) -> None:
    abandoned = world.qemu_of(world.guest(PAUSED))
    world.remember(Stage.CREATING)
    assert world.act("stop").rc == 0
    assert abandoned.exit_code() == -signal.SIGKILL
    assert orders(world) == []
    assert world.stage == "CREATING"


def test_a_late_create_after_the_stop_is_removed_by_the_next_probe(world: World) -> None:
    world.remember(Stage.CREATING)
    assert world.act("stop").rc == 0
    abandoned = world.qemu_of(world.guest(PAUSED))
    assert world.probe().rc == 7
    assert not abandoned.lives


@pytest.mark.parametrize("state", [PAUSED, RUNNING])
def test_a_guest_whose_start_was_killed_around_the_resume_is_stopped(
    world: World, state: int
) -> None:
    qemu = world.qemu_of(world.guest(state))
    world.remember(Stage.RESUMING)
    assert world.act("stop").rc == 0
    assert not qemu.lives
    assert world.stage == "nothing"


@pytest.mark.usefixtures("impatient")
def test_a_guest_under_a_start_that_is_still_at_work_is_stopped_all_the_same(world: World) -> None:
    """Pacemaker never does both at once; but a stop must not say 0 beside a living QEMU."""
    qemu = world.qemu_of(world.guest(PAUSED))
    world.remember(Stage.CREATING)
    with record.lock("vm1", Deadline(0)):
        assert world.act("stop").rc == 0
    assert not qemu.lives


# Where libvirt is the only witness.


@pytest.mark.parametrize(
    ("force", "honours", "expected"),
    [("no", True, [SHUTDOWN]), ("no", False, [SHUTDOWN, DESTROY]), ("yes", True, [DESTROY])],
)
def test_guests_of_other_hypervisors_are_stopped_by_libvirts_word(
    world: World, force: str, honours: bool, expected: list[str]
) -> None:
    hypervisor = world.no_qemu("xen", RUNNING)
    hypervisor.domains["g1"].honours_shutdown = honours
    assert world.act("stop", timeout_s=6, force_stop=force, destroy_margin="100").rc == 0
    assert [call.function for call in hypervisor.called(*ORDERS)] == expected
    assert world.act("monitor").rc == 7


@pytest.mark.parametrize("state", [SHUTOFF, None])
def test_guests_of_other_hypervisors_that_are_off_are_stopped(
    world: World, state: int | None
) -> None:
    hypervisor = world.no_qemu("xen", state)
    assert world.act("stop").rc == 0
    assert hypervisor.called(*ORDERS) == []


def test_guests_of_other_hypervisors_are_not_stopped_while_libvirt_is_away(world: World) -> None:
    world.no_qemu("xen", RUNNING).down = "Connection refused"
    assert world.act("stop", timeout_s=4).outcome == (1, "Connection refused")
