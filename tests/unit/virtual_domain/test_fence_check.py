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
from pmkvm.process import Life
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.fake_libvirtmod import PAUSED
from tests.unit.virtual_domain.local_cib import BAN_ID, owe
from tests.unit.virtual_domain.world import HERE, ORDERS, World, migrate_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmkvm.fencing.pending_stop import PendingStop
    from pmkvm.run import Completed
    from tests.unit.ocf.sample import Called

OVER = Life(1, 1)

pytestmark = pytest.mark.usefixtures("cib")


def owed() -> PendingStop:
    found = pending_stops.load("vm1")
    assert found is not None
    return found


# --- start


@pytest.mark.parametrize("operation", ["reset", "off", "settle"])
def test_under_a_ban_a_start_starts_nothing_says_0_and_owes(world: World, operation: str) -> None:
    world.cib.ban(operation)
    assert world.by_pacemaker("start").rc == 0
    assert world.here.called(*ORDERS) == []
    assert (owed().ban_id, owed().life) == (BAN_ID, None)


def test_an_expired_ban_bars_nobody(world: World) -> None:
    world.cib.ban(lease_s=-1)
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()


def test_a_start_that_cannot_read_the_cib_never_starts(world: World) -> None:
    world.cib.is_readable = False
    assert world.by_pacemaker("start", timeout_s=5).names(1, "which may hold a ban")
    assert world.here.called(*ORDERS) == []


def test_for_a_person_there_are_no_bans(world: World) -> None:
    world.cib.ban()
    assert world.act("start").rc == 0
    world.assert_started()
    assert world.cib.looks == 0


def test_a_ban_under_a_ban_that_nobody_understands_starts_nothing(world: World) -> None:
    world.cib.answer = '<rsc_location id="vm-stonith-vm1" rsc="vm1"/>'
    assert world.by_pacemaker("start", timeout_s=5).rc == 1
    assert world.here.called(*ORDERS) == []


def test_a_ban_that_comes_while_libvirt_creates_leaves_no_life(world: World) -> None:
    # The first question after the create: its QEMU is there, and does not run yet.
    world.here.when("virDomainGetUUIDString", world.cib.ban)
    assert world.by_pacemaker("start").rc == 0
    assert world.here.called("virDomainResume") == []
    assert world.table.living() == []
    assert owed().life is not None


@pytest.mark.parametrize("sign", ["ban", "pending stop"])
def test_a_start_stuck_in_libvirt_ends_with_0_soon_after_a_ban_or_a_pending_stop(
    world: World, sign: str
) -> None:
    get_stuck_under(sign, world, "virDomainCreateXML", None)
    assert world.by_pacemaker("start", timeout_s=60).rc == 0
    assert world.stage == "CREATING"
    assert owed().ban_id == BAN_ID


def get_stuck_under(sign: str, world: World, function: str, life: Life | None) -> None:
    """From that function on libvirt never answers, and a fence begins."""

    def begin() -> None:
        world.here.stuck = True
        if sign == "ban":
            world.cib.ban()
        else:
            owe(life, BAN_ID)

    world.here.when(function, begin)


def test_a_start_pays_no_heed_to_an_older_lifes_pending_stop(world: World) -> None:
    owe(OVER)
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()
    assert pending_stops.load("vm1") is None
    assert world.cib.looks >= 2


# --- migrations


def migrate_into_trouble(world: World, sign: str) -> Called:
    world.guest()
    get_stuck_under(sign, world, "virDomainMigrate3", OVER)
    return migrate_to(world, timeout_s=60, hypervisor=HERE, CRM_meta_on_node="node1")


def test_a_migration_ends_with_0_under_a_ban_and_the_guest_is_dead(world: World) -> None:
    assert migrate_into_trouble(world, "ban").rc == 0
    assert world.table.living() == []
    assert owed().ban_id == BAN_ID


def test_a_migration_ends_with_0_at_a_pending_stop_that_was_not_there_before(world: World) -> None:
    owe(OVER, "an older one")
    assert migrate_into_trouble(world, "pending stop").rc == 0


def test_a_guest_that_is_being_killed_does_not_begin_to_migrate(world: World) -> None:
    owe(world.qemu_of(world.guest()).life)
    assert world.by_pacemaker("migrate_to", CRM_meta_migrate_target="node2").rc == 0
    assert world.here.called("virDomainMigrate3") == []


def test_a_guest_that_a_fence_has_killed_is_not_missed_by_its_migration(world: World) -> None:
    owe(OVER)
    assert world.by_pacemaker("migrate_to", CRM_meta_migrate_target="node2").rc == 0
    assert world.cib.looks > 0


def test_without_a_fence_a_guest_that_is_not_here_is_an_error(world: World) -> None:
    assert world.by_pacemaker("migrate_to", CRM_meta_migrate_target="node2").rc == 1
    assert world.cib.looks > 0


@pytest.mark.parametrize("sign", ["ban", "pending stop"])
def test_an_arrival_under_a_fence_is_not_waited_for(world: World, sign: str) -> None:
    if sign == "ban":
        world.cib.ban()
    else:
        owe(None)
    assert world.by_pacemaker("migrate_from", timeout_s=60).rc == 0
    assert pending_stops.load("vm1") is not None


def test_a_forgotten_pending_stop_is_no_reason_not_to_wait_for_an_arrival(world: World) -> None:
    owe(OVER, age_s=301)
    assert world.by_pacemaker("migrate_from", timeout_s=2).rc == 1
    assert world.cib.looks > 0


def test_an_incoming_guest_under_a_ban_is_killed(world: World) -> None:
    world.guest(PAUSED)
    world.cib.ban()
    assert world.by_pacemaker("migrate_from").rc == 0
    assert world.table.living() == []


# --- stop


def test_a_stop_under_a_ban_destroys_at_once_and_pays(world: World) -> None:
    domain = world.guest()
    domain.honours_shutdown = False
    world.cib.ban()
    owe(OVER)
    assert world.by_pacemaker("stop").rc == 0
    assert world.here.called("virDomainShutdownFlags") == []
    assert world.table.living() == []
    assert pending_stops.load("vm1") is None


def test_a_stop_with_a_pending_stop_for_this_life_destroys_at_once(world: World) -> None:
    owe(world.qemu_of(world.guest()).life)
    assert world.by_pacemaker("stop").rc == 0
    assert world.here.called("virDomainShutdownFlags") == []
    assert world.cib.looks == 0


def test_a_pending_stop_for_another_life_costs_a_guest_no_shutdown(world: World) -> None:
    world.guest()
    owe(OVER)
    assert world.by_pacemaker("stop").rc == 0
    assert len(world.here.called("virDomainShutdownFlags")) == 1
    assert world.cib.looks > 0


def test_a_ban_ends_the_wait_for_a_guest_that_is_to_shut_down(world: World) -> None:
    world.guest().honours_shutdown = False

    world.here.when("virDomainShutdownFlags", world.cib.ban)
    # Long enough that waiting for the guest would be the end of the test's patience.
    assert world.by_pacemaker("stop", timeout_s=600).rc == 0
    assert world.table.living() == []


def test_a_stop_never_waits_for_the_cib(world: World) -> None:
    world.cib.is_readable = False
    world.guest()
    assert world.by_pacemaker("stop").rc == 0
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
    world: World, interval: str, role: str, age_s: float, rc: int
) -> None:
    owe(OVER, age_s=age_s)
    assert world.by_pacemaker("monitor", CRM_meta_interval=interval, CRM_meta_role=role).rc == rc
    # A void pending stop is none: then the ban is looked for.
    assert world.cib.looks == (age_s > pending_stops.UNTOUCHED_S)


def test_a_killed_starts_stage_is_kept_under_a_ban(world: World) -> None:
    world.remember(Stage.CREATING)
    world.cib.ban()
    assert world.by_pacemaker("start").rc == 0
    assert world.stage == "CREATING"


# --- what may take long beside libvirt's own calls


def test_a_ban_ends_the_saving_of_a_guests_memory(world: World) -> None:
    qemu = world.qemu_of(world.guest())

    def hang() -> None:
        world.cib.ban()
        world.here.hang()

    world.here.when("virDomainSaveFlags", hang)
    assert world.by_pacemaker("stop", timeout_s=600, snapshot=str(world.directory)).rc == 0
    assert qemu.exit_code() < 0
    assert world.here.called("virDomainShutdownFlags") == []


def test_a_ban_ends_the_making_of_a_disk(world: World) -> None:
    """It can take a minute, with the lock held that vm-stonithd waits for."""

    def hang(argv: Sequence[str], **_options: object) -> Completed:
        if argv[0] == "qemu-img":
            world.cib.ban()
            world.here.hang()
        return world.cib.run(argv)

    world.patch.setattr(run, "run", hang)
    assert world.by_pacemaker("start", timeout_s=600, backingfile="/etc/passwd").rc == 0
    assert world.here.called("virDomainCreateXML") == []
    assert pending_stops.load("vm1") is not None


def test_a_ban_ends_the_question_to_the_source(world: World) -> None:
    world.patch.setattr(migrate_from, "SOURCE_S", 300.0)
    source = world.hypervisor("qemu+tcp://node1/system")
    world.guest()

    def watch(_function: str) -> None:
        world.cib.ban()
        world.here.hang()

    source.watch = watch
    parameters = {"CRM_meta_migrate_source": "node1", "migration_transport": "tcp"}
    began = time.monotonic()
    assert world.act("migrate_from", parameters, CRM_meta_on_node="node2", timeout_s=600).rc == 0
    assert time.monotonic() - began < migrate_from.SOURCE_S
    assert world.table.living() == []
