# SPDX-License-Identifier: GPL-2.0-or-later
"""A definition on a mount that hangs, played by a pipe: it counts as one that can't be read."""

from __future__ import annotations

import os
import threading

import pytest

from agents.virtual_domain.actions import migrate_to as migrate_to_module
from agents.virtual_domain.guest import subject
from agents.virtual_domain.options import config_file
from pmkvm import knock
from pmkvm.deadline import Deadline
from pmkvm.virt import record
from pmkvm.virt.record import Stage
from tests.unit import exhaustion
from tests.unit.virtual_domain.fake_libvirtmod import RUNNING
from tests.unit.virtual_domain.test_config_file import NEW, SAVE, changed_guest
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World, migrate_to

SILENT = "does not answer in time: its storage hangs"
BY_NAME = f"{SILENT}; going by the file's name"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_ANSWER_S", 0.2)
    monkeypatch.setattr(migrate_to_module, "_FILE_S", 0.2)


def hang(world: World) -> None:
    world.config.unlink()
    os.mkfifo(world.config)


# Of a guest that never ran here.


@pytest.mark.parametrize("interval", ["0", "10000"])
def test_where_no_qemu_of_that_name_lives_it_does_not_run(world: World, interval: str) -> None:
    hang(world)
    called = world.act("monitor", CRM_meta_interval=interval)
    assert called.says(7, BY_NAME)
    assert world.here.called("virConnectOpen") == []


def test_a_stop_of_a_guest_that_never_ran_here_is_done(world: World) -> None:
    hang(world)
    assert world.act("stop").says(0, BY_NAME)


def test_a_living_qemu_of_that_name_is_the_guest(world: World) -> None:
    """As where there is no definition."""
    qemu = world.qemu_of(world.guest())
    hang(world)
    assert world.probe().says(0, BY_NAME)
    record.forget("vm1")
    assert world.act("stop").says(0, BY_NAME)
    assert not qemu.lives


def test_a_remembered_guest_is_not_taken_for_a_stranger_of_its_name(world: World) -> None:
    """Unknown is never stopped, with or without a definition."""
    world.remember(Stage.RUNNING)
    stranger = world.table.start_qemu("g1", OTHER_UUID)
    hang(world)
    assert world.probe().fails(1, "QEMU ")
    assert world.act("stop").fails(1, "QEMU ")
    assert stranger.lives


def test_a_start_needs_the_definition_and_keeps_no_lock(world: World) -> None:
    hang(world)
    called = world.act("start")
    assert called.outcome == (5, f"{world.config}: {SILENT}")
    with record.lock("vm1", Deadline(0)):
        pass


def test_a_guest_that_arrives_is_known_by_its_name(world: World) -> None:
    world.guest()
    hang(world)
    assert world.act("migrate_from").says(0, BY_NAME)
    assert world.stage == "RUNNING"


@pytest.mark.parametrize("action", ["validate-all", "reload-agent"])
def test_what_can_not_be_read_is_not_valid(world: World, action: str) -> None:
    hang(world)
    assert world.act(action).outcome == (5, f"{world.config}: {SILENT}")


def test_no_more_than_half_of_the_time_is_spent_on_it(world: World) -> None:
    world.patch.setattr(subject, "_ANSWER_S", 3600)
    hang(world)
    assert world.act("monitor", timeout_s=4).says(7, BY_NAME)


def test_without_a_process_to_find_out_it_is_read_at_once(world: World) -> None:
    """A pipe holds nothing then."""
    hang(world)
    with exhaustion.no_threads():
        assert world.probe().says(7, "not XML")


# Of one that is remembered.


def test_nobody_asks_for_the_definition_of_a_guest_that_is_remembered(world: World) -> None:
    world.act("start")
    hang(world)
    asked: list[object] = []
    world.patch.setattr(knock, "_send", asked.append)
    assert world.act("monitor", CRM_meta_interval="10000").rc == 0
    assert world.probe().rc == 0
    assert world.act("stop").outcome == (0, "")
    assert asked == []


def test_a_stop_ends_the_guest_and_saves_nothing(world: World) -> None:
    world.patch.setattr(config_file, "_SAVE_S", 0.2)
    changed_guest(world)
    qemu = world.qemu_of(world.here.domains["g1"])
    assert world.act("monitor").rc == 0
    hang(world)
    assert world.act("stop", SAVE).says(0, f"{world.config} not saved: ")
    assert not qemu.lives


def test_a_stop_ends_the_guest_though_nothing_can_be_written(world: World) -> None:
    """A mount may still read and no longer write."""
    world.patch.setattr(config_file, "_SAVE_S", 0.5)
    changed_guest(world)
    qemu = world.qemu_of(world.here.domains["g1"])
    assert world.act("monitor").rc == 0
    back, really = threading.Event(), os.open

    def open_(path: str, flags: int, *more: int, **named: int) -> int:
        if str(path).startswith(f"{world.config}.") and flags & os.O_CREAT:
            back.wait()
        return really(path, flags, *more, **named)

    world.patch.setattr(os, "open", open_)
    try:
        called = world.act("stop", SAVE)
        assert called.says(0, f"not saved: out of time while writing {world.config}")
    finally:
        back.set()
    assert not qemu.lives


def test_a_guest_leaves_though_its_definition_can_not_be_saved(world: World) -> None:
    world.patch.setattr(config_file, "_SAVE_S", 0.2)
    domain = world.guest()
    domain.xml = NEW
    assert world.act("monitor").rc == 0
    hang(world)
    called = migrate_to(world, save_config_on_stop="yes")
    assert called.says(0, f"{world.config} not saved: ")


# Files of migrate_options.


def test_a_file_for_a_migration_that_does_not_answer_keeps_the_guest_here(world: World) -> None:
    domain = world.guest()
    file = world.directory / "other.xml"
    os.mkfifo(file)
    called = migrate_to(world, migrate_options=f"--xml {file}")
    assert called.outcome == (5, f"parameter migrate_options: {file}: {SILENT}")
    assert domain.state == RUNNING
    assert world.qemu_of(domain).lives
    assert domain.uuid == UUID
