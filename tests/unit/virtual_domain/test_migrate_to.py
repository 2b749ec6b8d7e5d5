# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest leaves, or stays and the action says so; see test_outcome.py for what lies between."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import migrate_to as action
from pmkvm import thread_call
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    OPERATION_ABORTED,
    OPERATION_FAILED,
    OPERATION_INVALID,
    PAUSED,
    RUNNING,
    SYSTEM,
    Call,
    FakeHypervisor,
    Trouble,
    arrive,
)
from tests.unit.virtual_domain.world import G1, THERE, UUID, World, migrate_to

if TYPE_CHECKING:
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain

MOVES = ("virDomainMigrate3", "virDomainMigrateToURI3")
IN_THE_WAY = Trouble(OPERATION_INVALID, "domain 'g1' is already active")


def test_a_guest_leaves(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    world.act("monitor")
    assert migrate_to(world, migrate_options="--auto-converge --bandwidth 7").outcome == (0, "")
    assert world.here.called(*MOVES) == [Call("virDomainMigrate3", ({"bandwidth": 7}, 1 | 8192))]
    assert not qemu.lives
    assert world.there.domains["g1"].state == RUNNING
    assert world.stage == "RUNNING", "kept until Pacemaker's stop"
    assert world.act("monitor").rc == 7


def test_a_guest_leaves_from_one_libvirtd_to_the_other(world: World) -> None:
    world.guest()
    assert migrate_to(world, migrate_options="--p2p").rc == 0
    assert world.here.called(*MOVES) == [Call("virDomainMigrateToURI3", ({}, 3))]
    assert "g1" in world.there.domains


def test_a_shell_at_the_other_end_is_waited_for(world: World) -> None:
    world.patch.setattr(action, "_RETRY_S", 0.01)
    world.guest()
    world.there.add("g1", UUID, PAUSED)
    world.here.script("virDomainMigrate3", *[IN_THE_WAY] * 2)
    assert migrate_to(world).rc == 0
    assert len(world.here.called(*MOVES)) == 3
    assert world.there.domains["g1"].state == RUNNING


def test_what_stays_at_the_other_end_is_an_error_with_the_guest_here(world: World) -> None:
    world.patch.setattr(action, "_RETRY_S", 0.01)
    world.patch.setattr(action, "_CLEAR_S", 0.05)
    world.guest()
    world.there.add("g1", UUID, PAUSED)
    world.here.script("virDomainMigrate3", *[IN_THE_WAY] * 100)
    called = migrate_to(world)
    world.here.troubles.clear()
    assert called.outcome == (1, "g1: stays here: domain 'g1' is already active")
    assert world.there.domains["g1"].state == PAUSED


def test_a_persistent_definition_stays_behind(world: World) -> None:
    world.guest(persistent=True)
    assert migrate_to(world).rc == 0
    assert "g1" in world.here.domains
    assert "g1" in world.there.domains


def test_without_a_target_it_is_a_wrong_call(world: World) -> None:
    world.guest()
    assert migrate_to(world, CRM_meta_migrate_target="").names(2, "migrate_target")


def test_a_guest_that_is_not_here_cannot_leave(world: World) -> None:
    assert migrate_to(world).outcome == (1, "g1: does not run here, so it can't leave for node2")
    assert world.here.called(*MOVES) == []


def test_a_bad_parameter_is_named_before_anything_moves(world: World) -> None:
    world.guest()
    assert migrate_to(world, migrate_options="--fast").names(6, "'--fast' is none of")
    assert world.here.calls == []


def test_a_remembered_guest_leaves_without_its_definition(world: World) -> None:
    world.guest()
    world.act("monitor")
    world.config.unlink()
    assert migrate_to(world).rc == 0
    assert "g1" in world.there.domains


# What goes wrong.


@pytest.mark.parametrize(
    "text",
    [
        "Cannot recv data: Host key verification failed.: Connection reset by peer",
        "Cannot recv data: Permission denied (publickey,password).",
    ],
)
def test_another_host_that_refuses_us_is_an_error_before_anything_moves(
    world: World, text: str
) -> None:
    qemu = world.qemu_of(world.guest())
    world.there.down = text
    assert migrate_to(world).outcome == (1, f"g1: stays here: {text}")
    assert world.here.called(*MOVES) == []
    assert qemu.lives
    assert world.remembered == (G1, Stage.RUNNING, qemu.life)


def test_another_host_that_never_answers_is_given_up(world: World) -> None:
    world.patch.setattr(action, "_CONNECT_S", 2.0)
    qemu = world.qemu_of(world.guest())
    world.there.stuck = True
    called = migrate_to(world)
    assert called.fails(1, f"g1: stays here: out of time while connecting to {THERE} (in ")
    assert world.here.called(*MOVES) == []
    assert qemu.lives


@pytest.mark.parametrize("options", ["", "--p2p"])
def test_a_migration_that_fails_leaves_the_guest_here(world: World, options: str) -> None:
    domain = world.guest()

    def fail(_domain: FakeDomain, _there: FakeHypervisor) -> None:
        raise Trouble(OPERATION_FAILED, "Unsafe migration: disk cache")

    world.here.migrate = fail
    called = migrate_to(world, migrate_options=options)
    assert called.outcome == (1, "g1: stays here: Unsafe migration: disk cache")
    assert domain.state == RUNNING
    assert world.stage == "RUNNING"


def test_a_migration_that_takes_too_long_is_aborted_and_the_guest_stays(world: World) -> None:
    """heartbeat is killed at its timeout and leaves libvirt to itself."""
    ended = threading.Event()

    def take_long(domain: FakeDomain, _there: FakeHypervisor) -> None:
        domain.aborted.wait()
        ended.set()
        raise Trouble(OPERATION_ABORTED, "operation aborted: migration out job: canceled")

    domain = world.guest()
    world.here.migrate = take_long
    called = migrate_to(world, timeout_s=5)
    assert called.fails(1, "g1: stays here: out of time while migrating g1 (in ")
    assert world.here.called("virDomainAbortJob") == [Call("virDomainAbortJob")]
    assert ended.wait(10)
    assert domain.state == RUNNING
    assert world.stage == "RUNNING"


def test_an_abort_that_came_too_late_is_judged_by_where_the_guest_is(world: World) -> None:
    def take_long(domain: FakeDomain, _there: FakeHypervisor) -> None:
        domain.aborted.wait()

    def complete() -> None:
        arrive(domain, world.libvirt.hypervisors[THERE])
        world.here.end(domain)
        raise Trouble(OPERATION_FAILED, "no job is active on the domain")

    domain = world.guest()
    world.here.migrate = take_long
    world.here.when("virDomainAbortJob", complete)
    assert migrate_to(world, timeout_s=5).says(0, "arrived in spite of")
    domain.aborted.set()


def test_a_stuck_libvirt_is_given_up_in_time_with_the_guest_still_here(world: World) -> None:
    world.patch.setattr(action, "_ABORT_MIN_S", 2.5)
    qemu = world.qemu_of(world.guest())

    def get_stuck(function: str) -> None:
        world.here.stuck = function in MOVES or world.here.stuck

    world.here.watch = get_stuck
    assert migrate_to(world, timeout_s=5).fails(1, "g1: stays here: out of time while ")
    assert thread_call.abandoned()
    assert qemu.lives


def test_a_qemu_that_takes_its_time_to_end_is_waited_for(world: World) -> None:
    domain = world.guest()
    qemu, domain.qemu = world.qemu_of(domain), None
    timer = threading.Timer(0.3, qemu.end)
    world.here.when("virDomainMigrate3", timer.start)
    called = migrate_to(world)
    timer.join()
    assert called.outcome == (0, "")


# On the other end.


def test_guests_of_other_hypervisors_migrate_by_libvirts_word(world: World) -> None:
    world.define(kind="test")
    here = world.hypervisor("test:///here")
    here.add("g1", UUID, RUNNING, persistent=False)
    assert migrate_to(world, hypervisor="test:///here", remoteuri=THERE).rc == 0
    assert "g1" not in here.domains
    assert world.act("migrate_from", hypervisor=THERE).rc == 0
    assert world.there.domains["g1"].state == RUNNING
    assert world.here.calls == []


def test_a_connection_that_is_lost_before_the_migration_leaves_the_guest_here(world: World) -> None:
    world.guest()
    world.here.script("virDomainMigrate3", Trouble(SYSTEM, "End of file", breaks=True))
    assert migrate_to(world).outcome == (1, "g1: stays here: End of file")
    assert world.there.domains == {}
