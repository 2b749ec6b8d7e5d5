# SPDX-License-Identifier: GPL-2.0-or-later
"""A start that can't write down what it does: before its create it waits, and then it goes on."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pmkvm import settings
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.process import Life
from pmkvm.virt import record
from pmkvm.virt.record import Stage
from tests.unit.virtual_domain.breakages import (
    broken,
    files_for_directories,
    mend,
)
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING
from tests.unit.virtual_domain.world import ORDERS, UUID, World

if TYPE_CHECKING:
    from collections.abc import Callable


OVER = Life(1, 1)

pytestmark = pytest.mark.usefixtures("cib")
SOON_S = 0.3


# --- start, before anything has begun


@broken
def test_a_start_goes_on_when_the_trouble_ends(world: World, breaks: Callable[[], None]) -> None:
    breaks()
    asked: list[str] = []
    world.here.watch = asked.append

    def end_the_trouble() -> None:
        asked.append("mended")
        mend()

    ending = threading.Timer(SOON_S, end_the_trouble)
    ending.start()
    called = world.by_pacemaker("start")
    ending.join()
    assert called.outcome == (0, "")
    creates = [each for each in asked if each in ("mended", *ORDERS)]
    assert creates == ["mended", "virDomainCreateXML", "virDomainResume"]
    world.assert_started()


@broken
def test_a_start_says_at_its_deadline_what_it_waited_for(
    world: World, breaks: Callable[[], None]
) -> None:
    breaks()
    called = world.by_pacemaker("start", timeout_s=4)
    assert called.fails(1, "not started: ")
    assert str(settings.RUN_DIR) in called.reason
    assert world.here.called(*ORDERS) == []


@broken
def test_a_ban_ends_the_wait(world: World, breaks: Callable[[], None]) -> None:
    """A fence is not kept waiting by a start that waits for a disk."""
    breaks()
    threading.Timer(SOON_S, world.cib.ban).start()
    began = time.monotonic()
    assert world.by_pacemaker("start", timeout_s=600).rc == 0
    assert time.monotonic() - began < 60
    assert world.here.called(*ORDERS) == []


def test_a_ban_that_was_on_its_way_out_keeps_no_guest_down(world: World) -> None:
    """Pacemaker starts it because the ban has gone, and this host's CIB is a moment behind."""
    Path(pending_stops.directory()).parent.mkdir()
    Path(pending_stops.directory()).touch()
    world.cib.ban()

    def catch_up() -> None:
        world.cib.answer = ""

    world.cib.then = catch_up
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()


def test_a_pending_stop_of_the_life_before_is_waited_for(world: World) -> None:
    """It may not stand beside the new life, and may not be taken for a fence of it."""
    path = Path(pending_stops.directory(), "vm1.debt")
    path.mkdir(parents=True)
    threading.Timer(SOON_S, path.rmdir).start()
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()


def test_no_memory_is_restored_before_that_is_written_down(world: World, tmp_path: Path) -> None:
    """Without the word, the abandoned create of a killed restore would pass for a guest that
    arrives."""
    world.guest()
    assert world.by_pacemaker("stop", snapshot=str(tmp_path)).rc == 0
    restored: list[str] = []

    def watch(function: str) -> None:
        if function == "virDomainLookupByName" and not restored:
            restored.append("broken")
            files_for_directories()
            threading.Timer(SOON_S, mend).start()
        if function == "virDomainRestoreFlags":
            restored.append(world.stage)

    world.here.watch = watch
    assert world.by_pacemaker("start", snapshot=str(tmp_path)).rc == 0
    assert restored == ["broken", "RESTORING"]
    world.assert_started()


# --- start, past its create


@pytest.mark.parametrize(
    "moment", ["virDomainCreateXML", "virDomainGetUUIDString", "virDomainResume"]
)
@broken
def test_a_start_past_its_create_ends_well(
    world: World, breaks: Callable[[], None], moment: str
) -> None:
    world.here.when(moment, breaks, call=1)
    assert world.by_pacemaker("start").says(0, "not written down that it is here")
    domain = world.here.domains["g1"]
    assert domain.state == RUNNING
    assert len(world.table.living()) == 1


def test_a_guest_that_runs_beside_the_mark_of_its_create_is_not_abandoned(world: World) -> None:
    """Neither RESUMING nor RUNNING could be written."""
    qemu = world.table.start_qemu("g1", UUID, has_run=True)
    world.guest(qemu=qemu)
    world.remember(Stage.CREATING)
    assert world.probe().rc == 0
    assert qemu.lives
    assert world.stage == "RUNNING"


def test_a_record_that_stays_is_replaced_by_the_next_start(world: World) -> None:
    world.remember(Stage.RUNNING, OVER)
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()
    assert record.load("vm1") is not None
