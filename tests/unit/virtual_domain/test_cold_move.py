# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration that moved nothing: no host is fenced for it, and the guest starts at the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import migrate_to as action
from agents.virtual_domain.actions import stop
from agents.virtual_domain.migration import jobs
from agents.virtual_domain.migration.cold_move import Handover, to_text
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from tests.unit.virtual_domain.fake_libvirtmod import (
    CRASHED,
    INTERNAL,
    OPERATION_FAILED,
    OPERATION_INVALID,
    PAUSED,
    RPC,
    RUNNING,
    Trouble,
)
from tests.unit.virtual_domain.world import UUID, World, migrate_to

if TYPE_CHECKING:
    from tests.unit.ocf.sample import Called
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain, FakeHypervisor

pytestmark = pytest.mark.usefixtures("cib")

HANDOVER = "vm-cold-move-vm1"
STATUS = "migration-vm1"
SNAPSHOT = "Requested operation is not valid: cannot migrate domain with 1 snapshots"
MOVES = ("virDomainMigrate3", "virDomainMigrateToURI3")
FROM_NODE1 = {"CRM_meta_migrate_source": "node1", "migration_transport": "tcp"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "_RETRY_S", 0.01)
    monkeypatch.setattr(jobs, "_ASK_S", 0.02)


def leave(world: World, on_fail: str = "fence", *, timeout_s: float = 60) -> Called:
    """As Pacemaker has it done on node1."""
    return migrate_to(
        world, timeout_s=timeout_s, CRM_meta_on_node="node1", CRM_meta_on_fail=on_fail
    )


def refuse(world: World, text: str = SNAPSHOT, code: int = OPERATION_INVALID) -> None:
    """As libvirt refuses each time, before anything moves."""

    def fail(_domain: FakeDomain, _there: FakeHypervisor) -> None:
        raise Trouble(code, text)

    world.here.migrate = fail


def handed_over(world: World) -> dict[str, str]:
    return world.cib.attributes.get(HANDOVER, {})


TO_NODE2 = {"node1": to_text(Handover("node2", UUID, "g1"))}


# The source.


def test_a_refused_guest_ends_here_and_is_handed_over(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    refuse(world)
    called = leave(world)
    assert called.outcome == (0, "")
    assert f"g1: stays here: {SNAPSHOT}; it ends here and starts on node2" in called.err
    assert len(world.here.called(*MOVES)) == 2, "what lasts is asked for no third time"
    assert not qemu.lives
    assert world.here.called("virDomainShutdownFlags"), "in order"
    assert handed_over(world) == TO_NODE2
    assert SNAPSHOT in world.cib.attributes[STATUS]["node1"]
    assert world.stage == "RUNNING", "kept until Pacemaker's stop"


@pytest.mark.parametrize("on_fail", ["", "restart", "block", "stop", "ignore"])
def test_where_an_error_hits_this_guest_alone_it_is_one(world: World, on_fail: str) -> None:
    qemu = world.qemu_of(world.guest())
    refuse(world)
    called = leave(world, on_fail)
    assert called.outcome == (1, f"g1: stays here: {SNAPSHOT}")
    assert len(world.here.called(*MOVES)) == 2
    assert qemu.lives
    assert handed_over(world) == {}
    assert SNAPSHOT in world.cib.attributes[STATUS]["node1"]


@pytest.mark.parametrize(
    "text",
    [
        "unsupported configuration: host CPU does not provide required features: avx512f",
        "Network not found: no network with matching name 'lan'",
        "Cannot access storage file '/srv/g1.qcow2': No such file or directory",
        "Unsafe migration: Migration without shared storage is unsafe",
        "Operation not supported: migration with shmem device is not supported",
    ],
)
def test_whoever_refuses_it_is_asked_once(world: World, text: str) -> None:
    qemu = world.qemu_of(world.guest())
    refuse(world, text, OPERATION_FAILED)
    assert leave(world).outcome == (0, "")
    assert len(world.here.called(*MOVES)) == 1
    assert not qemu.lives
    assert handed_over(world) == TO_NODE2


def test_a_target_that_refuses_the_connection_fences_nobody(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    world.there.down = "Host key verification failed."
    assert leave(world).outcome == (0, "")
    assert not qemu.lives
    assert handed_over(world) == TO_NODE2


@pytest.mark.usefixtures("impatient", "soon_killed")
def test_a_dead_libvirtd_here_fences_nobody(world: World) -> None:
    """Nothing was asked of it, so nothing can be there; QEMU is ended without it."""
    qemu = world.qemu_of(world.guest())
    world.act("monitor")
    world.here.down = "Connection refused"
    assert leave(world).outcome == (0, "")
    assert not qemu.lives
    assert handed_over(world) == TO_NODE2


def test_a_parameter_that_lets_nothing_migrate_fences_nobody(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    called = migrate_to(
        world, CRM_meta_on_node="node1", CRM_meta_on_fail="fence", migrate_options="--fast"
    )
    assert called.outcome == (0, "")
    assert not qemu.lives


def test_a_crashed_guest_that_can_not_leave_fences_nobody(world: World) -> None:
    qemu = world.qemu_of(world.guest(CRASHED))
    assert leave(world).outcome == (0, "")
    assert not qemu.lives
    assert handed_over(world) == TO_NODE2


@pytest.mark.parametrize("there", ["runs", "paused"])
def test_what_is_unknown_stays_an_error(world: World, there: str) -> None:
    """Something of the guest is at the other end, too."""
    qemu = world.qemu_of(world.guest())

    def half(_domain: FakeDomain, other: FakeHypervisor) -> None:
        other.add("g1", UUID, RUNNING if there == "runs" else PAUSED)
        raise Trouble(INTERNAL, "internal error")

    world.here.migrate = half
    assert leave(world).fails(1, "g1: stays here: internal error")
    assert qemu.lives
    assert handed_over(world) == {}


def test_a_guest_whose_migration_may_still_be_under_way_is_unknown(world: World) -> None:
    domain = world.guest()

    def vanish(moving: FakeDomain, other: FakeHypervisor) -> None:
        moving.job = lambda: {"type": 2, "operation": 5}
        other.down = "No route to host"
        raise Trouble(RPC, "client socket is closed", breaks=True)

    world.here.migrate = vanish
    assert leave(world).fails(1, "g1: stays here: client socket is closed")
    assert world.qemu_of(domain).lives


def test_a_target_that_breaks_in_the_middle_fences_nobody(world: World) -> None:
    """libvirt here says that the guest runs on, with no job: it can't run there."""
    qemu = world.qemu_of(world.guest())

    def vanish(_domain: FakeDomain, other: FakeHypervisor) -> None:
        other.down = "No route to host"
        raise Trouble(RPC, "client socket is closed")

    world.here.migrate = vanish
    assert leave(world).outcome == (0, "")
    assert not qemu.lives


@pytest.mark.parametrize("on_fail", ["fence", "block"])
def test_a_guest_that_ends_in_the_middle_is_handed_over(world: World, on_fail: str) -> None:
    """It has powered itself off: libvirt at neither end has it, and no QEMU lives."""

    def power_off(domain: FakeDomain, _there: FakeHypervisor) -> None:
        world.here.end(domain)
        raise Trouble(OPERATION_FAILED, "domain is not running")

    world.guest()
    world.here.migrate = power_off
    called = leave(world, on_fail)
    assert called.outcome == (0, "")
    assert "g1: has ended, and lives at neither end: domain is not running" in called.err
    assert handed_over(world) == TO_NODE2


def test_by_default_pacemaker_starts_a_guest_that_has_ended(world: World) -> None:
    def power_off(domain: FakeDomain, _there: FakeHypervisor) -> None:
        world.here.end(domain)
        raise Trouble(OPERATION_FAILED, "domain is not running")

    world.guest()
    world.here.migrate = power_off
    called = leave(world, "restart")
    assert called.fails(1, "g1: has ended, and lives at neither end: domain is not running")


def test_a_guest_that_was_dead_before_is_handed_over(world: World) -> None:
    assert leave(world).outcome == (0, "")
    assert handed_over(world) == TO_NODE2


def test_a_guest_that_does_not_die_is_not_handed_over(world: World) -> None:
    def survive(*_arguments: object, **_how: object) -> bool:
        raise OcfError(OcfCode.GENERIC, "g1: QEMU 7 survives SIGKILL")

    world.guest()
    refuse(world)
    world.patch.setattr(stop, "end", survive)
    assert leave(world).outcome == (1, "g1: QEMU 7 survives SIGKILL")
    assert handed_over(world) == {}


def test_a_handover_of_an_earlier_time_is_void(world: World) -> None:
    world.cib.attributes[HANDOVER] = dict(TO_NODE2)
    world.guest()
    assert leave(world).outcome == (0, "")
    assert "g1" in world.there.domains
    assert handed_over(world) == {}


def test_without_attrd_the_guest_is_dead_all_the_same(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    refuse(world)
    world.cib.is_attrd_there = False
    called = leave(world, timeout_s=8)
    assert called.outcome == (0, "")
    assert "not handed over to node2" in called.err
    assert not qemu.lives


# A job of an administrator's.


def test_a_job_is_waited_for_and_named(world: World) -> None:
    domain = world.guest()
    domain.xml = (
        f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid><devices><disk>"
        "<target dev='vda'/></disk></devices></domain>"
    )
    domain.block_jobs["vda"] = {"type": 2, "bandwidth": 0, "cur": 1 << 20, "end": 4 << 20}

    def end_job() -> None:
        if len(world.here.called("virDomainGetBlockJobInfo")) > 2:
            domain.block_jobs.clear()

    world.here.watch = lambda _function: end_job()
    called = leave(world)
    assert called.outcome == (0, "")
    assert "g1: waits with its migration for a block copy of vda, 1 of 4 MiB" in called.err
    assert "g1: the job that its migration has waited for is over" in called.err
    assert "g1" in world.there.domains
    assert world.here.called("virDomainAbortJob") == []


@pytest.mark.parametrize("on_fail", ["fence", "restart"])
def test_a_job_that_does_not_end_is_as_a_refusal(world: World, on_fail: str) -> None:
    world.patch.setattr(action, "_STOP_SHARE", 0.95)
    domain = world.guest()
    qemu = world.qemu_of(domain)
    mib = 1 << 20
    domain.job = lambda: {
        "type": 2,
        "operation": 9,
        "time_elapsed": 31000,
        "disk_total": 64 * mib,
        "disk_processed": 3 * mib,
    }
    called = leave(world, on_fail, timeout_s=10)
    reason = "g1: stays here: has waited in vain for a backup, under way for 31 s, 3 of 64 MiB"
    assert reason in called.err
    assert called.rc == (0 if on_fail == "fence" else 1)
    assert world.here.called(*MOVES, "virDomainAbortJob") == []
    assert qemu.lives == (on_fail == "restart")
