# SPDX-License-Identifier: GPL-2.0-or-later
"""This host's pending stops, and what becomes of them where files can't be written, read or
removed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.host.pending_stop_files import PendingStopFiles
from daemons.vm_stonithd.model.actions import RemovePendingStop, TouchPendingStop, WritePendingStop
from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.fencing import pending_stop as pending_stops
from pmkvm.fencing.pending_stop import PendingStop
from pmkvm.process import life_of
from pmkvm.virt import record
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage

if TYPE_CHECKING:
    from pmkvm.process import Life
    from tests.unit.virt.fake_qemu import FakeProcessTable

RESOURCE, UUID, OTHER = "prmVMCTL_guest2", "aaaa-2", "aaaa-1"


@pytest.fixture(autouse=True)
def _run_dir(host: FakeProcessTable) -> None:  # noqa: ARG001 - it says where that is
    Path(settings.RUN_DIR).mkdir()


def owed(life: Life | None = None, age_s: float = 0, ban_id: str = "9c41") -> PendingStop:
    # As a file has it, and not ahead of the clock.
    return PendingStop(ban_id, UUID, life, round(time.monotonic() - age_s - 0.001, 3))


def break_pending_stops() -> None:
    shutil.rmtree(pending_stops.directory(), ignore_errors=True)
    Path(pending_stops.directory()).touch()


def mend_pending_stops() -> None:
    Path(pending_stops.directory()).unlink()


def pin(resource: str) -> Path:
    """Its pending stop's file can be neither read nor written nor removed."""
    path = Path(pending_stops.directory(), f"{resource}.debt")
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("is_in_memory", [False, True])
def test_pending_stops_are_changed_only_while_they_are_the_same(
    host: FakeProcessTable, is_in_memory: bool
) -> None:
    target = host.start_qemu("guest2", UUID)
    pending_stop_files, pending_stop = PendingStopFiles(), owed(target.life, age_s=100)
    if is_in_memory:
        break_pending_stops()
    pending_stop_files.change(WritePendingStop(RESOURCE, pending_stop))
    assert pending_stop_files.read() == {RESOURCE: (pending_stop, (target.life,))}
    pending_stop_files.change(TouchPendingStop(RESOURCE, pending_stop))
    touched = pending_stop_files.read()[RESOURCE][0]
    assert touched.stamp > pending_stop.stamp + 50
    pending_stop_files.change(RemovePendingStop(RESOURCE, pending_stop._replace(ban_id="another")))
    assert list(pending_stop_files.read()) == [RESOURCE]
    pending_stop_files.change(RemovePendingStop(RESOURCE, pending_stop))
    assert pending_stop_files.read() == {}
    if is_in_memory:
        mend_pending_stops()
        assert pending_stop_files.read() == {}
    assert pending_stops.resources() == []
    assert pending_stop_files.troubles == []


def test_a_pending_stop_that_can_t_be_written_is_kept_until_it_can() -> None:
    pending_stop_files, pending_stop = PendingStopFiles(), owed()
    break_pending_stops()
    pending_stop_files.owe(RESOURCE, pending_stop)
    assert pending_stop_files.read() == {RESOURCE: (pending_stop, ())}
    mend_pending_stops()
    assert pending_stops.load(RESOURCE) is None
    assert pending_stop_files.read() == {RESOURCE: (pending_stop, ())}
    assert pending_stops.load(RESOURCE) == pending_stop
    assert pending_stop_files.troubles == []


def test_a_pending_stop_is_not_written_late_beside_a_start(host: FakeProcessTable) -> None:
    """The start has removed the pending stops of the life before, and would take it for a fence."""
    pending_stop_files, pending_stop = PendingStopFiles(), owed()
    break_pending_stops()
    pending_stop_files.owe(RESOURCE, pending_stop)
    mend_pending_stops()
    with record.lock(RESOURCE, Deadline(0)):
        assert list(pending_stop_files.read()) == [RESOURCE]
        assert pending_stops.load(RESOURCE) is None
    # Nor beside the guest that it has started.
    life = host.start_qemu("guest2", UUID).life
    assert pending_stop_files.read() == {RESOURCE: (pending_stop, (life,))}
    assert pending_stops.load(RESOURCE) is None


def test_what_an_action_wrote_meanwhile_counts() -> None:
    pending_stop_files = PendingStopFiles()
    break_pending_stops()
    pending_stop_files.owe(RESOURCE, owed(age_s=1))
    mend_pending_stops()
    later = owed(ban_id="later")
    pending_stops.store(RESOURCE, later)
    assert pending_stop_files.read() == {RESOURCE: (later, ())}
    assert pending_stops.load(RESOURCE) == later


def test_a_file_that_can_t_be_replaced_does_not_hide_the_pending_stop() -> None:
    pending_stop_files, pending_stop = PendingStopFiles(), owed()
    path = pin(RESOURCE)
    pending_stop_files.owe(RESOURCE, pending_stop)
    assert pending_stop_files.read() == {RESOURCE: (pending_stop, ())}
    path.rmdir()
    pending_stop_files.read()
    assert pending_stops.load(RESOURCE) == pending_stop


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None])
def test_one_pending_stop_that_can_t_be_read_hides_no_other(content: bytes | None) -> None:
    pending_stop_files, pending_stop = PendingStopFiles(), owed()
    pending_stop_files.owe("zz", pending_stop)
    pending_stop_files.owe("aa", pending_stop)
    path = Path(pending_stops.directory(), "mm.debt")
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert set(pending_stop_files.read()) == {"aa", "zz"}


def test_one_pending_stop_that_can_t_be_judged_hides_no_other(host: FakeProcessTable) -> None:
    # Of this number the kernel tells nothing.
    (host.directory / "0").symlink_to("/proc/self")
    life = life_of(0)
    record.store("aa", Record(Identity("guest2", UUID, is_qemu=True), Stage.RUNNING, life))
    other = host.start_qemu("guest1", OTHER)
    pending_stop_files = PendingStopFiles()
    pending_stop_files.owe("aa", owed())
    pending_stop_files.owe("zz", owed()._replace(uuid=OTHER))
    found = pending_stop_files.read()
    assert {name: lives for name, (_pending_stop, lives) in found.items()} == {"zz": (other.life,)}
    assert "aa: its pending stop can't be judged: [Errno 22]" in pending_stop_files.troubles[0]


def test_a_qemu_without_a_name_makes_no_pending_stop_unreadable(host: FakeProcessTable) -> None:
    host.start_qemu("", OTHER)
    pending_stop_files = PendingStopFiles()
    pending_stop_files.owe("aa", owed())
    assert pending_stop_files.read()["aa"][1] == ()
    assert pending_stop_files.troubles == []


def test_each_trouble_is_logged_once_and_shown_while_it_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    pending_stop_files, pending_stop = PendingStopFiles(), owed()
    break_pending_stops()
    pending_stop_files.owe(RESOURCE, pending_stop)
    for _ in range(3):
        pending_stop_files.read()
        pending_stop_files.owe(RESOURCE, pending_stop)
    unlisted, unwritten = pending_stop_files.troubles
    assert "this host's pending stops can't be listed" in unlisted
    assert f"{RESOURCE}: its pending stop is kept in memory alone" in unwritten
    assert sorted(each.getMessage() for each in caplog.records) == sorted([unlisted, unwritten])
    caplog.clear()
    mend_pending_stops()
    pending_stop_files.read()
    assert pending_stop_files.troubles == []
    assert sorted(each.getMessage() for each in caplog.records) == sorted(
        [f"no more: {unlisted}", f"no more: {unwritten}"]
    )
