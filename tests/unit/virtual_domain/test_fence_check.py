# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtualDomain under a fence: the table "What everyone does" of the protocol, row by row.

The edge is the process runner: cibadmin answers what the test says this host's CIB holds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import migrate_from
from pmkvm import run
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.process import Life
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import PAUSED, FakeHypervisor
from tests.unit.virtual_domain.local_cib import BAN_ID, LocalCib
from tests.unit.virtual_domain.world import ORDERS, THERE, UUID, World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pmkvm.run import Completed
    from tests.unit.ocf.sample import Called

OVER = Life(1, 1)


def called_by_pacemaker(
    world: World, action: str, timeout_s: float = 30, **parameters: str
) -> Called:
    return world.act(action, timeout_s=timeout_s, CRM_meta_on_node="node1", **parameters)


def owe(life: Life | None, ban_id: str = "0" * 16, age_s: float = 0) -> PendingStop:
    pending_stop = PendingStop(ban_id, UUID, life, time.monotonic() - age_s)
    pending_stops.store("vm1", pending_stop)
    return pending_stop


# --- start


@pytest.mark.parametrize("operation", ["reset", "off", "settle"])
def test_under_a_ban_a_start_starts_nothing_says_0_and_owes(
    world: World, cib: LocalCib, operation: str
) -> None:
    cib.ban(operation)
    assert called_by_pacemaker(world, "start").rc == 0
    assert world.here.called(*ORDERS) == []
    owed = pending_stops.load("vm1")
    assert owed is not None
    assert (owed.ban_id, owed.life) == (BAN_ID, None)


def test_an_expired_ban_bars_nobody(world: World, cib: LocalCib) -> None:
    cib.ban(lease_s=-1)
    assert called_by_pacemaker(world, "start").rc == 0
    world.assert_started()


def test_a_start_that_cannot_read_the_cib_never_starts(world: World, cib: LocalCib) -> None:
    cib.is_readable = False
    called = called_by_pacemaker(world, "start", timeout_s=5)
    assert called.rc == 1
    assert "which may hold a ban" in called.reason
    assert world.here.called(*ORDERS) == []


def test_for_a_person_there_are_no_bans(world: World, cib: LocalCib) -> None:
    cib.ban()
    assert world.act("start").rc == 0
    world.assert_started()
    assert cib.looks == 0


def test_a_ban_under_a_ban_that_nobody_understands_starts_nothing(
    world: World, cib: LocalCib
) -> None:
    cib.answer = '<rsc_location id="vm-stonith-vm1" rsc="vm1"/>'
    assert called_by_pacemaker(world, "start", timeout_s=5).rc == 1
    assert world.here.called(*ORDERS) == []


def test_a_ban_that_comes_while_libvirt_creates_leaves_no_life(world: World, cib: LocalCib) -> None:
    def watch(function: str) -> None:
        # The first question after the create: its QEMU is there, and does not run yet.
        if function == "virDomainGetUUIDString":
            cib.ban()

    world.here.watch = watch
    assert called_by_pacemaker(world, "start").rc == 0
    assert world.here.called("virDomainResume") == []
    assert world.table.living() == []
    owed = pending_stops.load("vm1")
    assert owed is not None
    assert owed.life is not None


@pytest.mark.parametrize("sign", ["ban", "pending stop"])
def test_a_start_stuck_in_libvirt_ends_with_0_soon_after_a_ban_or_a_pending_stop(
    world: World, cib: LocalCib, sign: str
) -> None:
    def watch(function: str) -> None:
        if function == "virDomainCreateXML":
            world.here.stuck = True
            if sign == "ban":
                cib.ban()
            else:
                owe(None, BAN_ID)

    world.here.watch = watch
    assert called_by_pacemaker(world, "start", timeout_s=60).rc == 0
    assert world.stage == "CREATING"
    owed = pending_stops.load("vm1")
    assert owed is not None
    assert owed.ban_id == BAN_ID


def test_a_start_pays_no_heed_to_an_older_lifes_pending_stop(world: World, cib: LocalCib) -> None:
    owe(OVER)
    assert called_by_pacemaker(world, "start").rc == 0
    world.assert_started()
    assert pending_stops.load("vm1") is None
    assert cib.looks >= 2


# --- migrations


def migrate_into_trouble(world: World, trouble: str, cib: LocalCib) -> Called:
    world.guest()
    there = world.libvirt.hypervisors[THERE] = FakeHypervisor()
    assert there

    def watch(function: str) -> None:
        if function == "virDomainMigrate3":
            world.here.stuck = True
            if trouble == "ban":
                cib.ban()
            else:
                owe(OVER, BAN_ID)

    world.here.watch = watch
    return called_by_pacemaker(
        world,
        "migrate_to",
        timeout_s=60,
        hypervisor="qemu:///system",
        migration_transport="tcp",
        CRM_meta_migrate_target="node2",
    )


def test_a_migration_ends_with_0_under_a_ban_and_the_guest_is_dead(
    world: World, cib: LocalCib
) -> None:
    assert migrate_into_trouble(world, "ban", cib).rc == 0
    assert world.table.living() == []
    owed = pending_stops.load("vm1")
    assert owed is not None
    assert owed.ban_id == BAN_ID


def test_a_migration_ends_with_0_at_a_pending_stop_that_was_not_there_before(
    world: World, cib: LocalCib
) -> None:
    owe(OVER, "an older one")
    assert migrate_into_trouble(world, "pending stop", cib).rc == 0


def test_a_guest_that_a_fence_has_killed_is_not_missed_by_its_migration(
    world: World, cib: LocalCib
) -> None:
    owe(OVER)
    called = called_by_pacemaker(world, "migrate_to", CRM_meta_migrate_target="node2")
    assert called.rc == 0
    assert cib.looks > 0


def test_without_a_fence_a_guest_that_is_not_here_is_an_error(world: World, cib: LocalCib) -> None:
    assert called_by_pacemaker(world, "migrate_to", CRM_meta_migrate_target="node2").rc == 1
    assert cib.looks > 0


@pytest.mark.parametrize("sign", ["ban", "pending stop"])
def test_an_arrival_under_a_fence_is_not_waited_for(world: World, cib: LocalCib, sign: str) -> None:
    if sign == "ban":
        cib.ban()
    else:
        owe(None)
    assert called_by_pacemaker(world, "migrate_from", timeout_s=60).rc == 0
    assert pending_stops.load("vm1") is not None


def test_a_forgotten_pending_stop_is_no_reason_not_to_wait_for_an_arrival(
    world: World, cib: LocalCib
) -> None:
    owe(OVER, age_s=301)
    assert called_by_pacemaker(world, "migrate_from", timeout_s=2).rc == 1
    assert cib.looks > 0


def test_an_incoming_guest_under_a_ban_is_killed(world: World, cib: LocalCib) -> None:
    world.guest(PAUSED)
    cib.ban()
    assert called_by_pacemaker(world, "migrate_from").rc == 0
    assert world.table.living() == []


# --- stop


def test_a_stop_under_a_ban_destroys_at_once_and_pays(world: World, cib: LocalCib) -> None:
    domain = world.guest()
    domain.honours_shutdown = False
    cib.ban()
    owe(OVER)
    assert called_by_pacemaker(world, "stop").rc == 0
    assert world.here.called("virDomainShutdownFlags") == []
    assert world.table.living() == []
    assert pending_stops.load("vm1") is None


def test_a_stop_with_a_pending_stop_for_this_life_destroys_at_once(
    world: World, cib: LocalCib
) -> None:
    owe(world.qemu_of(world.guest()).life)
    assert called_by_pacemaker(world, "stop").rc == 0
    assert world.here.called("virDomainShutdownFlags") == []
    assert cib.looks == 0


def test_a_pending_stop_for_another_life_costs_a_guest_no_shutdown(
    world: World, cib: LocalCib
) -> None:
    world.guest()
    owe(OVER)
    assert called_by_pacemaker(world, "stop").rc == 0
    assert len(world.here.called("virDomainShutdownFlags")) == 1
    assert cib.looks > 0


def test_a_ban_ends_the_wait_for_a_guest_that_is_to_shut_down(world: World, cib: LocalCib) -> None:
    world.guest().honours_shutdown = False

    def watch(function: str) -> None:
        if function == "virDomainShutdownFlags":
            cib.ban()

    world.here.watch = watch
    # Long enough that waiting for the guest would be the end of the test's patience.
    assert called_by_pacemaker(world, "stop", timeout_s=600).rc == 0
    assert world.table.living() == []


def test_a_stop_never_waits_for_the_cib(world: World, cib: LocalCib) -> None:
    cib.is_readable = False
    world.guest()
    assert called_by_pacemaker(world, "stop").rc == 0
    assert len(world.here.called("virDomainShutdownFlags")) == 1


# --- monitor


@pytest.mark.parametrize(
    ("interval", "role", "age_s", "rc"),
    [
        ("10000", "", 0, 0),
        ("10000", "Started", 0, 0),
        ("0", "", 0, 7),
        ("10000", "Stopped", 0, 7),
        ("10000", "", 301, 7),
    ],
)
def test_only_a_recurring_monitor_of_a_dead_guest_with_a_pending_stop_waits_for_the_stop(
    world: World, cib: LocalCib, interval: str, role: str, age_s: float, rc: int
) -> None:
    owe(OVER, age_s=age_s)
    called = called_by_pacemaker(world, "monitor", CRM_meta_interval=interval, CRM_meta_role=role)
    assert called.rc == rc
    # A void pending stop is none: then the ban is looked for.
    assert cib.looks == (age_s > pending_stops.UNTOUCHED_S)


def test_a_killed_starts_stage_is_kept_under_a_ban(world: World, cib: LocalCib) -> None:
    world.remember(Stage.CREATING)
    cib.ban()
    assert called_by_pacemaker(world, "start").rc == 0
    assert world.stage == "CREATING"


# --- what may take long beside libvirt's own calls


def test_a_ban_ends_the_saving_of_a_guests_memory(
    world: World, cib: LocalCib, tmp_path: Path
) -> None:
    qemu = world.qemu_of(world.guest())

    def watch(function: str) -> None:
        if function == "virDomainSaveFlags":
            cib.ban()
            world.here.released.wait()
            raise SystemExit

    world.here.watch = watch
    called = called_by_pacemaker(world, "stop", timeout_s=600, snapshot=str(tmp_path))
    assert called.rc == 0
    assert qemu.exit_code() < 0
    assert world.here.called("virDomainShutdownFlags") == []


def test_a_ban_ends_the_making_of_a_disk(
    world: World, cib: LocalCib, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can take a minute, with the lock held that vm-stonithd waits for."""

    def hang(argv: Sequence[str], **_options: object) -> Completed:
        if argv[0] != "qemu-img":
            return cib.run(argv)
        cib.ban()
        world.here.released.wait()
        raise SystemExit

    monkeypatch.setattr(run, "run", hang)
    called = called_by_pacemaker(world, "start", timeout_s=600, backingfile="/etc/passwd")
    assert called.rc == 0
    assert world.here.called("virDomainCreateXML") == []
    assert pending_stops.load("vm1") is not None


def test_a_ban_ends_the_question_to_the_source(
    world: World, cib: LocalCib, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_from, "SOURCE_S", 300.0)
    source = world.libvirt.hypervisors["qemu+tcp://node1/system"] = FakeHypervisor()
    world.guest()

    def watch(_function: str) -> None:
        cib.ban()
        world.here.released.wait()
        raise SystemExit

    source.watch = watch
    parameters = {"CRM_meta_migrate_source": "node1", "migration_transport": "tcp"}
    began = time.monotonic()
    assert world.act("migrate_from", parameters, CRM_meta_on_node="node2", timeout_s=600).rc == 0
    assert time.monotonic() - began < migrate_from.SOURCE_S
    assert world.table.living() == []
