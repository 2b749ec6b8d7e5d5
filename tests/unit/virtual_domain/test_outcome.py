# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration is judged by where the guest is afterwards, not by what libvirt returns."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import migrate_to as action
from agents.virtual_domain.migration import outcome
from agents.virtual_domain.migration.outcome import Ends, Outcome, judge
from pmkvm.virt.connection import PausedReason, State, Status
from tests.unit.virtual_domain.fake_libvirtmod import INTERNAL, RPC, Trouble, arrive
from tests.unit.virtual_domain.world import UUID, World, migrate_to

if TYPE_CHECKING:
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain, FakeHypervisor

BOOTED, MIGRATED, POSTCOPY = 1, 2, 10
RUNS = Status(State.RUNNING, BOOTED)
CAME = Status(State.RUNNING, MIGRATED)
PAUSED = Status(State.PAUSED, 2)
OFF = Status(State.SHUTOFF, 1)


@pytest.mark.parametrize("here", [None, RUNS, PAUSED, OFF])
def test_without_a_qemu_here_it_is_there_or_nowhere(here: Status | None) -> None:
    assert judge(Ends(False, here, CAME)) == Outcome.ARRIVED
    assert judge(Ends(False, here, RUNS)) == Outcome.ARRIVED
    assert judge(Ends(False, here, PAUSED)) == Outcome.LOST
    assert judge(Ends(False, here, None, there_is_silent=True)) == Outcome.LOST
    for there in (None, OFF):
        assert judge(Ends(False, here, there)) == Outcome.ENDED


@pytest.mark.parametrize("here", [None, PAUSED, OFF])
def test_a_qemu_whose_guest_came_there_is_an_abandoned_create(here: Status | None) -> None:
    assert judge(Ends(True, here, CAME)) == Outcome.ABANDONED


@pytest.mark.parametrize(
    "state",
    [
        State.NO_STATE,
        State.RUNNING,
        State.BLOCKED,
        State.SHUTDOWN,
        State.CRASHED,
        State.PM_SUSPENDED,
    ],
)
@pytest.mark.parametrize("there", [None, PAUSED, OFF, RUNS, CAME])
def test_what_libvirt_says_to_live_is_not_abandoned(state: State, there: Status | None) -> None:
    is_nothing_there = there in (None, OFF)
    found = judge(Ends(True, Status(state, 0), there))
    assert found == (Outcome.STAYS if is_nothing_there else Outcome.UNKNOWN)


@pytest.mark.parametrize("has_job", [False, True])
@pytest.mark.parametrize("here", [None, RUNS, PAUSED, OFF])
def test_where_the_other_end_is_silent_only_a_guest_that_runs_here_stays(
    here: Status | None, has_job: bool
) -> None:
    stays = here == RUNS and not has_job
    found = judge(Ends(True, here, None, there_is_silent=True, has_job=has_job))
    assert found == (Outcome.STAYS if stays else Outcome.UNKNOWN)


@pytest.mark.parametrize(
    "there", [None, PAUSED, OFF, RUNS, Status(State.RUNNING, POSTCOPY), Status(State.CRASHED, 2)]
)
@pytest.mark.parametrize("here", [None, PAUSED, OFF])
def test_a_qemu_is_an_abandoned_create_only_if_its_guest_is_whole_elsewhere(
    here: Status | None, there: Status | None
) -> None:
    is_nothing_there = there in (None, OFF)
    found = judge(Ends(True, here, there))
    assert found == (Outcome.STAYS if is_nothing_there else Outcome.UNKNOWN)


@pytest.mark.parametrize("reason", [PausedReason.POSTCOPY, PausedReason.POSTCOPY_FAILED])
@pytest.mark.parametrize("there", [None, PAUSED, RUNS, CAME])
def test_a_guest_that_post_copy_has_cut_in_two_is_left_alone(
    reason: int, there: Status | None
) -> None:
    assert judge(Ends(True, Status(State.PAUSED, reason), there)) == Outcome.SPLIT


@pytest.mark.parametrize(
    ("ends", "is_open"),
    [
        (Ends(True, None, PAUSED), True),
        (Ends(True, PAUSED, PAUSED), True),
        (Ends(False, RUNS, PAUSED), True),
        (Ends(True, RUNS, PAUSED), False),
        (Ends(True, None, None), False),
        (Ends(False, None, OFF), False),
    ],
)
def test_who_is_looked_at_again(ends: Ends, is_open: bool) -> None:
    assert ends.may_yet_run_there == is_open


# In the action.


def test_a_guest_that_arrived_in_spite_of_an_error_has_arrived(world: World) -> None:
    """libvirt lost its connection at the very end."""

    def arrive_and_fail(domain: FakeDomain, there: FakeHypervisor) -> None:
        arrive(domain, there)
        world.here.end(domain)
        raise Trouble(RPC, "client socket is closed", breaks=True)

    world.guest()
    world.here.migrate = arrive_and_fail
    assert migrate_to(world).says(0, "g1: arrived in spite of: client socket is closed")
    assert world.there.domains["g1"].state == State.RUNNING
    assert world.stage == "RUNNING", "kept until Pacemaker's stop"


@pytest.mark.parametrize("found", ["paused", "down"])
def test_a_guest_that_is_here_no_more_and_perhaps_there_is_lost(world: World, found: str) -> None:
    world.patch.setattr(outcome, "_SETTLE_S", 0.5)

    def lose(domain: FakeDomain, there: FakeHypervisor) -> None:
        world.here.end(domain)
        if found == "paused":
            there.add("g1", UUID, State.PAUSED)
        if found == "down":
            there.down = "Connection refused"
        raise Trouble(INTERNAL, "qemu unexpectedly closed the monitor")

    world.guest()
    world.here.migrate = lose
    called = migrate_to(world)
    assert called.fails(1, "g1: lost in migration: qemu unexpectedly closed the monitor")
    assert ("Connection refused" in called.reason) == (found == "down")


def test_what_a_guest_has_left_behind_is_ended(world: World) -> None:
    """libvirtd died before it could do it; started again, it might let two run."""
    world.patch.setattr(action, "_LEAVE_S", 0.2)
    domain = world.guest()
    qemu, domain.qemu = world.qemu_of(domain), None
    called = migrate_to(world)
    assert called.says(0, "arrived in spite of: libvirt says migrated, but QEMU lives here")
    assert world.there.domains["g1"].state == State.RUNNING
    assert not qemu.lives


def test_success_with_a_guest_that_still_runs_here_is_none(world: World) -> None:
    """Two writers on one disk otherwise."""
    world.patch.setattr(action, "_LEAVE_S", 0.2)
    qemu = world.qemu_of(world.guest())
    world.patch.setattr(world.here, "end", lambda _domain: None)
    called = migrate_to(world)
    world.patch.undo()
    assert called.outcome == (1, "g1: stays here: libvirt says migrated, but QEMU lives here")
    assert "g1" in world.there.domains
    assert qemu.lives


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("has_left_a_qemu", [False, True])
def test_a_guest_that_arrived_has_arrived_whatever_becomes_of_libvirt_here(
    world: World, hangs: bool, has_left_a_qemu: bool
) -> None:
    """It dies or hangs before it can say so."""
    world.patch.setattr(action, "_ABORT_MIN_S", 4)
    qemu = world.qemu_of(world.guest())

    def arrive_and_break(domain: FakeDomain, there: FakeHypervisor) -> None:
        arrive(domain, there)
        if not has_left_a_qemu:
            qemu.end()
        domain.qemu = None
        world.here.down, world.here.stuck = "Connection refused", hangs
        if hangs:
            world.here.enter("virDomainMigrate3")
        raise Trouble(RPC, "client socket is closed", breaks=True)

    world.here.migrate = arrive_and_break
    called = migrate_to(world, timeout_s=8)
    assert called.says(0, "g1: arrived in spite of: ")
    assert ("which the guest has left" in called.err) == has_left_a_qemu
    assert not qemu.lives
    assert world.there.domains["g1"].state == State.RUNNING
    assert world.stage == "RUNNING", "kept until Pacemaker's stop"


def test_a_guest_that_is_about_to_run_there_is_waited_for(world: World) -> None:
    """libvirtd here died while the one there was about to let it run."""
    qemu = world.qemu_of(world.guest())

    def arrive_late(domain: FakeDomain, there: FakeHypervisor) -> None:
        arrive(domain, there)
        there.domains["g1"].state = State.PAUSED
        domain.qemu = None
        world.here.down = "Connection refused"
        timer.start()
        raise Trouble(RPC, "client socket is closed", breaks=True)

    def run() -> None:
        world.there.domains["g1"].state = State.RUNNING

    timer = threading.Timer(0.5, run)
    world.here.migrate = arrive_late
    called = migrate_to(world)
    timer.join()
    assert called.outcome == (0, "")
    assert not qemu.lives
