# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that has migrated away is not started here while it lives there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.migration import last_target
from pmkvm.virt.connection import State
from tests.unit.virtual_domain.fake_libvirtmod import PAUSED, RUNNING, SHUTOFF, FakeHypervisor
from tests.unit.virtual_domain.programs import Programs
from tests.unit.virtual_domain.world import OTHER_UUID, THERE, World

if TYPE_CHECKING:
    from pathlib import Path

TO_NODE2 = {"CRM_meta_migrate_target": "node2", "migration_transport": "tcp"}
TCP = {"migration_transport": "tcp"}


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path, monkeypatch)
    made.play("crm_node", "echo node1 node2")
    return made


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_target, "GOES_S", 0.5)


@pytest.fixture
def there(world: World) -> FakeHypervisor:
    """node2's libvirtd. The guest has left for it, and Pacemaker has stopped it here once more."""
    there = world.libvirt.hypervisors[THERE] = FakeHypervisor()
    world.guest()
    assert world.act("migrate_to", TO_NODE2).rc == 0
    assert world.act("stop", TCP).rc == 0
    return there


@pytest.mark.parametrize("state", [RUNNING, PAUSED, State.CRASHED])
def test_one_that_lives_there_is_not_started_here(
    world: World, there: FakeHypervisor, state: int
) -> None:
    there.domains["g1"].state = state
    called = world.act("start", TCP)
    assert called.rc == 1
    assert called.reason == (
        "g1: runs on node2, where it has migrated to, and is not started here too"
    )
    assert world.table.living() == []


def test_one_that_is_being_ended_there_is_waited_for(
    world: World, there: FakeHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what a start under a ban has left there: a paused QEMU, for a second or two."""
    monkeypatch.setattr(last_target, "GOES_S", 5.0)
    there.domains["g1"].state = PAUSED

    def watch(function: str) -> None:
        if function == "virDomainGetState" and len(there.called(function)) > 2:
            there.domains["g1"].state = SHUTOFF

    there.watch = watch
    assert world.act("start", TCP).rc == 0
    world.assert_started()


def test_one_that_has_stopped_there_is_started_here(world: World, there: FakeHypervisor) -> None:
    there.domains["g1"].state = SHUTOFF
    assert world.act("start", TCP).rc == 0
    world.assert_started()
    # That is over: nobody is asked again.
    assert world.act("stop", TCP, force_stop="yes").rc == 0
    asked = len(there.called("virConnectOpen"))
    assert world.act("start", TCP).rc == 0
    assert len(there.called("virConnectOpen")) == asked


def test_one_that_came_back_is_forgotten_to_have_left(world: World, there: FakeHypervisor) -> None:
    there.domains.pop("g1")
    world.guest()
    assert world.act("migrate_from", {**TCP, "CRM_meta_migrate_source": "node2"}).rc == 0
    assert world.act("stop", TCP, force_stop="yes").rc == 0
    asked = len(there.called("virConnectOpen"))
    assert world.act("start", TCP).rc == 0
    assert len(there.called("virConnectOpen")) == asked


@pytest.mark.parametrize("trouble", ["down", "stuck"])
def test_a_host_that_is_silent_is_no_obstacle(
    world: World, there: FakeHypervisor, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(last_target, "ASK_S", 0.5)
    there.down = "No route to host" if trouble == "down" else there.down
    there.stuck = trouble == "stuck"
    called = world.act("start", TCP)
    assert called.rc == 0
    assert "node2, where it went, can't be asked for it" in called.err
    there.stuck = False


def test_a_host_that_is_no_member_is_not_asked(
    world: World, there: FakeHypervisor, programs: Programs
) -> None:
    programs.play("crm_node", "echo node1")
    asked = len(there.called("virConnectOpen"))
    assert world.act("start", TCP).rc == 0
    assert len(there.called("virConnectOpen")) == asked


def test_members_that_are_not_known_are_asked(
    world: World, there: FakeHypervisor, programs: Programs
) -> None:
    programs.play("crm_node", "exit 102")
    there.domains["g1"].state = RUNNING
    assert world.act("start", TCP).rc == 1


def test_another_guest_of_that_name_there_is_no_obstacle(
    world: World, there: FakeHypervisor
) -> None:
    del there.domains["g1"]
    there.add("g1", OTHER_UUID, RUNNING)
    assert world.act("start", TCP).rc == 0
