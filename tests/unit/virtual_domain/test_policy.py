# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration under way: what is due, what is said, and that nobody waits for the answers."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import migrate_to as action
from agents.virtual_domain.migration import progress
from agents.virtual_domain.migration.policy import Order, Steering, steer
from pmkvm.virt.job import Job
from tests.unit.virtual_domain.fake_libvirtmod import (
    OPERATION_ABORTED,
    OPERATION_FAILED,
    PAUSED,
    Call,
    FakeHypervisor,
    Trouble,
    arrive,
)
from tests.unit.virtual_domain.fake_services import Pool
from tests.unit.virtual_domain.world import World, migrate_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain

MIB = 1 << 20


def job(elapsed_s: float, iteration: int) -> Job:
    return Job(elapsed_s, 10, 20, 30, 5, iteration, 300)


@pytest.mark.parametrize(
    ("steering", "elapsed_s", "iteration", "order"),
    [
        (Steering(), 1000, 9, None),
        (Steering(postcopy_at_half=True), 49, 9, None),
        (Steering(postcopy_at_half=True), 50, 2, Order.POSTCOPY),
        # Nothing is there yet that could run.
        (Steering(postcopy_at_half=True), 90, 1, None),
        (Steering(postcopy_after_precopy=True), 1, 1, None),
        (Steering(postcopy_after_precopy=True), 1, 2, Order.POSTCOPY),
        (Steering(timeout_s=10), 9, 1, None),
        (Steering(timeout_s=10), 10, 1, Order.SUSPEND),
        (Steering(timeout_s=10, postcopy_at_timeout=True), 10, 1, Order.POSTCOPY),
    ],
)
def test_what_is_due(
    steering: Steering, elapsed_s: float, iteration: int, order: Order | None
) -> None:
    assert steer(steering, job(elapsed_s, iteration), 100) == order


def test_the_figures_are_readable() -> None:
    assert str(job(4.4, 2)) == (
        "4 s, 10 MiB sent, 20 of 30 MiB left, 5 MiB/s, pass 2, expected downtime 300 ms"
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_ASK_S", 0.02)
    monkeypatch.setattr(progress, "_SAY_S", 0.05)
    monkeypatch.setattr("agents.virtual_domain.guest.fence_check.LOOK_S", 0.02)


def figures(elapsed_s: float, iteration: int) -> dict[str, object]:
    return {
        "type": 2,
        "time_elapsed": int(elapsed_s * 1000),
        "data_processed": 7 * MIB,
        "data_remaining": 8 * MIB,
        "data_total": 15 * MIB,
        "memory_bps": 3 * MIB,
        "memory_iteration": iteration,
        "downtime": 120,
    }


class Slow:
    """A migration that ends when something happens; if nothing does, after a while."""

    def __init__(self, world: World, elapsed_s: float = 1, iteration: int = 2) -> None:
        self.domain = world.guest()
        # From the moment on at which it begins.
        self.job: Callable[[], dict[str, object]] = lambda: figures(elapsed_s, iteration)
        self.until: threading.Event | None = None
        world.here.migrate = self.move

    def move(self, domain: FakeDomain, there: FakeHypervisor) -> None:
        domain.job = self.job
        if self.until is None:
            time.sleep(0.6)
        else:
            assert self.until.wait(20)
        if domain.aborted.is_set() and not domain.postcopy.is_set():
            raise Trouble(OPERATION_ABORTED, "canceled")
        arrive(domain, there)


def test_libvirts_own_figures_are_in_the_log(world: World) -> None:
    slow = Slow(world)
    slow.until = said = threading.Event()
    asked = itertools.count(1)
    tell = slow.job

    def tell_and_move_on() -> dict[str, object]:
        # Asked again, it has been told; said it is every other time or so.
        if next(asked) == 10:
            said.set()
        return tell()

    slow.job = tell_and_move_on
    called = migrate_to(world)
    assert called.says(0, "g1: migrating: 1 s, 7 MiB sent, 8 of 15 MiB left, 3 MiB/s, pass 2")


def test_a_question_that_hangs_is_not_waited_for(world: World) -> None:
    slow = Slow(world)
    slow.job = world.here.hang
    assert migrate_to(world).rc == 0


def test_post_copy_begins_once(world: World) -> None:
    slow = Slow(world, elapsed_s=20, iteration=3)
    slow.until = slow.domain.postcopy
    called = migrate_to(world, migration_postcopy="yes", timeout_s=30)
    assert called.rc == 0
    assert len(world.here.called("virDomainMigrateStartPostCopy")) == 1
    assert "goes on by post-copy" in called.err


def test_without_leave_there_is_no_post_copy(world: World) -> None:
    Slow(world, elapsed_s=1000, iteration=30)
    assert migrate_to(world).rc == 0
    assert world.here.called("virDomainMigrateStartPostCopy", "virDomainSuspend") == []


def test_a_post_copy_that_libvirt_refuses_is_tried_again(world: World) -> None:
    slow = Slow(world, elapsed_s=20, iteration=3)
    slow.until = slow.domain.postcopy
    world.here.script("virDomainMigrateStartPostCopy", Trouble(OPERATION_FAILED, "not yet"))
    assert migrate_to(world, migration_postcopy="yes", timeout_s=30).rc == 0
    assert len(world.here.called("virDomainMigrateStartPostCopy")) == 2


def test_a_post_copy_under_way_is_not_given_up(world: World) -> None:
    """There is no way back: it has the action's whole time."""
    world.patch.setattr(action, "_ABORT_MAX_S", 25.0)
    world.patch.setattr(action, "_ABORT_MIN_S", 24.0)
    slow = Slow(world, elapsed_s=20, iteration=3)
    began = time.monotonic()

    def finish_late(domain: FakeDomain, there: FakeHypervisor) -> None:
        domain.job = slow.job
        assert domain.postcopy.wait(20)
        # Of 27 s it would be given up 24 s before the end otherwise.
        while time.monotonic() < began + 3.5:
            time.sleep(0.1)
        arrive(domain, there)

    world.here.migrate = finish_late
    assert migrate_to(world, migration_postcopy="yes", timeout_s=30).outcome == (0, "")
    assert world.here.called("virDomainAbortJob") == []


def test_a_guest_that_is_split_is_not_said_to_stay(world: World) -> None:
    slow = Slow(world)

    def split(domain: FakeDomain, _there: FakeHypervisor) -> None:
        domain.state, domain.reason = PAUSED, 13
        raise Trouble(OPERATION_FAILED, "broken pipe")

    world.here.migrate = split
    called = migrate_to(world)
    assert called.names(1, "runs at the other host without all of its memory: broken pipe")
    assert world.qemu_of(slow.domain).lives


def test_the_downtime_is_set_before_the_guest_moves(world: World) -> None:
    world.guest()
    assert migrate_to(world, migration_downtime="300").rc == 0
    calls = world.here.called("virDomainMigrateSetMaxDowntime", "virDomainMigrate3")
    assert calls[0] == Call("virDomainMigrateSetMaxDowntime", (300,))
    assert len(calls) == 2


def test_a_downtime_that_libvirt_refuses_is_a_warning(world: World) -> None:
    world.guest()
    world.here.script("virDomainMigrateSetMaxDowntime", Trouble(OPERATION_FAILED, "no"))
    assert migrate_to(world, migration_downtime="300").says(0, "migration_downtime=300: no")


def test_pools_and_networks_are_up_at_the_other_host(world: World) -> None:
    xml = "<interface type='network'><source network='lan'/></interface>"
    world.guest().xml = f"<domain><name>g1</name><devices>{xml}</devices></domain>"
    world.there.supplies["lan"] = Pool(active=False)
    assert migrate_to(world, start_resources="yes").rc == 0
    assert world.there.supplies["lan"].active


def test_a_file_of_an_option_is_read_or_named(world: World) -> None:
    world.guest()
    called = migrate_to(world, migrate_options="--xml /no/such.xml")
    assert called.rc == 5
    assert called.reason == "parameter migrate_options: /no/such.xml: No such file or directory"
    assert world.here.called("virDomainMigrate3") == []
    options = f"--xml {world.config}"
    assert migrate_to(world, migrate_options=options).rc == 0
    ((parameters, _flags),) = (c.arguments for c in world.here.called("virDomainMigrate3"))
    assert parameters == {"destination_xml": world.config.read_text()}
