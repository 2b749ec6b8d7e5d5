# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that has crashed while libvirt dumps its memory: the dump is worth a wait."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.actions import monitor
from agents.virtual_domain.stopping import shutdown
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.fencing.pending_stop import PendingStop
from tests.unit.virtual_domain.fake_libvirtmod import (
    CRASHED,
    INTERNAL,
    OPERATION_INVALID,
    PAUSED,
    RUNNING,
    Trouble,
)
from tests.unit.virtual_domain.world import UUID, World

if TYPE_CHECKING:
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain

STATS, SHUTDOWN, DESTROY = "virDomainGetJobStats", "virDomainShutdownFlags", "virDomainDestroy"
SAVE_JOB, DUMP_JOB = 2, 8
NO_SUPPORT = 3
MIB = 1 << 20
DUMP: dict[str, object] = {
    "type": 2,
    "operation": DUMP_JOB,
    "memory_total": 3221 * MIB,
    "memory_processed": 737 * MIB,
}
REASON = "g1: has crashed, and libvirt dumps its memory (737 of 3221 MiB)"


def crashed(world: World, job: dict[str, object] | None = None) -> FakeDomain:
    domain = world.guest()
    domain.state = CRASHED
    given = DUMP if job is None else job
    domain.job = lambda: given
    return domain


@pytest.mark.parametrize("reason", [None, 10], ids=["crashed", "paused by a crash"])
def test_a_monitor_meanwhile_says_degraded(world: World, reason: int | None) -> None:
    domain = crashed(world)
    if reason is not None:
        domain.state, domain.reason = PAUSED, reason
    called = world.act("monitor", {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"})
    assert called.outcome == (190, REASON)
    assert world.qemu_of(domain).lives


def test_a_dump_without_figures_is_one(world: World) -> None:
    crashed(world, {"type": 1, "operation": DUMP_JOB})
    called = world.act("monitor", {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"})
    assert called.outcome == (190, "g1: has crashed, and libvirt dumps its memory")


@pytest.mark.parametrize(
    "job",
    [
        {"type": 0},
        {"type": 0, "operation": DUMP_JOB},
        {"type": 3, "operation": DUMP_JOB},
        {"type": 2, "operation": SAVE_JOB},
        {"type": 2},
    ],
    ids=["no job", "none any more", "over", "another job", "one without a name"],
)
def test_without_one_a_crashed_guest_has_failed(world: World, job: dict[str, object]) -> None:
    crashed(world, job)
    assert world.act("monitor").outcome == (1, "g1: QEMU lives, but libvirt says CRASHED")


def test_a_job_that_cannot_be_told_is_asked_for_again(world: World) -> None:
    """libvirt is about to begin the dump."""
    crashed(world)
    world.here.script(STATS, Trouble(OPERATION_INVALID, "invalid job statistics type"))
    called = world.act("monitor", {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"})
    assert called.outcome == (190, REASON)


def test_a_guest_that_is_restarted_in_between_is_looked_at_again(world: World) -> None:
    domain = crashed(world)
    ends_after(world, domain, 1, RUNNING)
    assert world.act("monitor") == (0, "", "")


def test_a_job_that_is_never_told_is_no_excuse(world: World) -> None:
    world.patch.setattr(monitor, "_PATIENCE_S", 0.5)

    def untold() -> dict[str, object]:
        raise Trouble(INTERNAL, "who knows")

    crashed(world).job = untold
    assert world.act("monitor").outcome == (1, "g1: QEMU lives, but libvirt says CRASHED")


def test_a_guest_of_another_hypervisor_that_has_no_jobs_has_failed(world: World) -> None:
    hypervisor = world.no_qemu("xen", CRASHED)
    hypervisor.script(STATS, Trouble(NO_SUPPORT, "this function is not supported"))
    assert world.act("monitor").outcome == (1, "g1: libvirt says CRASHED")


# A stop.


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "_RETRY_S", 0.01)


def ends_after(world: World, domain: FakeDomain, looks: int, state: int | None) -> None:
    """The dump, at the so-manyth look; the guest is gone then, or in that state."""

    def end() -> None:
        domain.job = lambda: {"type": 0}
        if state is None:
            world.here.end(domain)
        else:
            domain.state = state

    world.here.when(STATS, end, call=looks)


@pytest.mark.parametrize(
    ("state", "orders"),
    [
        pytest.param(None, [], id="coredump-destroy"),
        pytest.param(RUNNING, [SHUTDOWN], id="coredump-restart"),
        pytest.param(CRASHED, [DESTROY], id="virsh dump of one that is kept"),
    ],
)
def test_a_stop_waits_for_the_end_of_the_dump_and_goes_on(
    world: World, state: int | None, orders: list[str]
) -> None:
    domain = crashed(world)
    ends_after(world, domain, 4, state)
    called = world.act("stop", timeout_s=120)
    assert called.says(0, REASON.replace("and libvirt", "and its end waits while libvirt"))
    assert [call.function for call in world.here.called(SHUTDOWN, DESTROY)] == orders
    assert len(world.here.called(STATS)) >= 4
    assert called.err.count("its end waits") == 1
    assert world.table.living() == []


def test_a_stop_waits_no_longer_than_to_its_margin(world: World) -> None:
    crashed(world)
    assert world.act("stop", timeout_s=6, destroy_margin="100").rc == 0
    assert [call.function for call in world.here.called(SHUTDOWN, DESTROY)] == [DESTROY]
    assert len(world.here.called(STATS)) > 1
    assert world.table.living() == []


def test_a_forced_stop_waits_for_nothing(world: World) -> None:
    crashed(world)
    assert world.act("stop", timeout_s=120, force_stop="yes").rc == 0
    assert world.here.called(STATS) == []


@pytest.mark.usefixtures("cib")
def test_a_fence_ends_the_wait(world: World) -> None:
    domain = crashed(world)
    life = world.qemu_of(domain).life
    fence = PendingStop("0123456789abcdef", UUID, life, 0.0)
    threading.Timer(0.3, pending_stops.store, ("vm1", fence)).start()
    assert world.by_pacemaker("stop", timeout_s=600).rc == 0
    assert world.table.living() == []
