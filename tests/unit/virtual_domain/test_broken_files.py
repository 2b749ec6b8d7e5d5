# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host remembers can't be written, read or removed: what QEMU does decides all the same.

tests/tools and tests/lab have disks that are full and read-only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import monitor
from pmkvm.process import Life
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.breakages import (
    broken,
    directories_for_files,
    files_for_directories,
    mend,
    recurring,
)
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING
from tests.unit.virtual_domain.local_cib import BAN_ID, owe
from tests.unit.virtual_domain.world import G1, World, migrate_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.ocf.sample import Called

OVER = Life(1, 1)

pytestmark = pytest.mark.usefixtures("cib")


# --- monitor


@broken
def test_a_healthy_guest_is_well_whatever_files_say(
    world: World, breaks: Callable[[], None]
) -> None:
    world.guest()
    breaks()
    for called in (recurring(world), world.probe(), recurring(world)):
        assert called.rc == 0, called.err
    assert len(world.table.living()) == 1


def test_a_guest_whose_memory_was_deleted_is_remembered_anew(world: World) -> None:
    qemu = world.qemu_of(world.guest())
    assert recurring(world).rc == 0
    mend()
    assert recurring(world).rc == 0
    assert world.remembered == (G1, Stage.RUNNING, qemu.life)


@pytest.mark.parametrize(("now", "lines"), [(1200.0, 1), (1209.9, 1), (1210.0, 0), (1799.0, 0)])
def test_a_recurring_monitor_says_so_every_ten_minutes(
    world: World, now: float, lines: int
) -> None:
    world.guest()
    files_for_directories()
    world.patch.setattr(time, "time", lambda: now)
    assert recurring(world).err.count("not written down") == lines
    # A person, or a probe, is told each time.
    assert world.probe().err.count("not written down") == 1


# --- a guest that is dead, without a pending stop


@pytest.mark.parametrize("operation", ["reset", "off", "settle"])
@broken
def test_a_guest_killed_where_no_pending_stop_can_be_written_is_not_missed_under_its_ban(
    world: World, breaks: Callable[[], None], operation: str
) -> None:
    world.qemu_of(world.guest()).end()
    breaks()
    world.cib.ban(operation)
    assert recurring(world).says(0, f"being fenced under ban {BAN_ID}")
    assert world.cib.looks == 1


def test_probes_people_and_monitors_of_the_stopped_role_tell_the_truth(world: World) -> None:
    world.cib.ban()
    stopped = {"CRM_meta_interval": "10000", "CRM_meta_role": "Stopped"}
    assert world.by_pacemaker("monitor", CRM_meta_interval="0").rc == 7
    assert world.act("monitor", stopped, CRM_meta_on_node="node1").rc == 7
    assert world.act("monitor", CRM_meta_interval="10000").rc == 7
    assert world.cib.looks == 0


@pytest.mark.parametrize("lease_s", [None, -1])
def test_a_guest_that_died_by_itself_is_missed_at_once(world: World, lease_s: float | None) -> None:
    if lease_s is not None:
        world.cib.ban(lease_s=lease_s)
    assert recurring(world).rc == 7
    assert world.cib.looks == 1


def test_a_cib_that_can_t_be_read_may_hold_a_ban(world: World) -> None:
    world.patch.setattr(monitor, "_PATIENCE_S", 0.3)
    world.cib.is_readable = False
    assert recurring(world).says(0, "which may hold a ban")
    world.cib.is_readable = True
    assert recurring(world).rc == 7


def test_the_pending_stop_of_an_earlier_life_says_nothing_of_the_last_one(world: World) -> None:
    """A stop could not remove it, and the guest has run here again since."""
    qemu = world.qemu_of(world.guest())
    assert recurring(world).rc == 0
    owe(OVER)
    qemu.end()
    assert recurring(world).rc == 7
    assert world.cib.looks == 1
    owe(qemu.life)
    assert recurring(world).rc == 0


# --- stop


@broken
@pytest.mark.parametrize("force_stop", ["yes", "no"])
def test_a_stop_ends_with_0_when_qemu_is_dead(
    world: World, breaks: Callable[[], None], force_stop: str
) -> None:
    qemu = world.qemu_of(world.guest())
    assert recurring(world).rc == 0
    breaks()
    assert world.by_pacemaker("stop", force_stop=force_stop).outcome == (0, "")
    assert not qemu.lives
    assert world.by_pacemaker("stop").rc == 0


def test_a_stop_says_what_it_could_not_remove(world: World) -> None:
    directories_for_files()
    called = world.act("stop")
    assert called.says(0, "what is remembered of it stays")
    assert "the pending stop of its fence stays" in called.err


@broken
def test_a_stop_under_a_ban_loses_no_time(world: World, breaks: Callable[[], None]) -> None:
    world.guest().honours_shutdown = False
    breaks()
    world.cib.ban()
    assert world.by_pacemaker("stop", timeout_s=600).rc == 0
    assert world.table.living() == []
    assert world.here.called("virDomainShutdownFlags") == []


# --- migrations


def leave(world: World) -> Called:
    return migrate_to(world, CRM_meta_on_node="node1")


@broken
def test_a_guest_leaves(world: World, breaks: Callable[[], None]) -> None:
    world.guest()
    breaks()
    assert leave(world).outcome == (0, "")
    assert world.there.domains["g1"].state == RUNNING
    assert world.table.living() == []


@broken
def test_a_guest_arrives(world: World, breaks: Callable[[], None]) -> None:
    world.guest()
    breaks()
    assert world.by_pacemaker("migrate_from", CRM_meta_migrate_source="node2").outcome == (0, "")


def test_a_pending_stop_that_could_not_be_removed_is_no_fence_of_a_guest_that_arrives(
    world: World,
) -> None:
    qemu = world.qemu_of(world.guest())
    owe(OVER)
    called = world.by_pacemaker("migrate_from", CRM_meta_migrate_source="node2")
    assert called.rc == 0
    assert "being fenced" not in called.err
    assert world.remembered == (G1, Stage.RUNNING, qemu.life)


@broken
def test_an_action_under_a_ban_ends_with_0_without_a_pending_stop(
    world: World, breaks: Callable[[], None]
) -> None:
    world.guest()
    breaks()
    world.cib.ban()
    assert leave(world).says(0, f"the pending stop of ban {BAN_ID} can't be written")
    assert world.table.living() == []


def test_a_guest_that_a_fence_kills_as_it_is_to_leave_is_not_missed(world: World) -> None:
    """Between the look for a ban and the look at the guest; and no pending stop could be
    written."""
    qemu = world.qemu_of(world.guest())

    def kill() -> None:
        world.cib.ban()
        qemu.end()

    world.cib.then = kill
    assert world.by_pacemaker("migrate_to", CRM_meta_migrate_target="node2").rc == 0
