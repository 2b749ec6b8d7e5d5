# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that has migrated away is not started here while it lives there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.migration import last_target
from pmkvm.virt.connection import State
from tests.unit.virtual_domain.fake_libvirtmod import PAUSED, RUNNING, SHUTOFF
from tests.unit.virtual_domain.world import OTHER_UUID, World, migrate_to

if TYPE_CHECKING:
    from tests.unit.virtual_domain.programs import Programs

TCP = {"migration_transport": "tcp"}


@pytest.fixture(autouse=True)
def programs(world: World, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The guest has left for node2, and Pacemaker has stopped it here once more."""
    monkeypatch.setattr(last_target, "GOES_S", 0.5)
    programs.play("crm_node", "echo node1 node2")
    world.guest()
    assert migrate_to(world).rc == 0
    assert world.act("stop", TCP).rc == 0
    return programs


@pytest.mark.parametrize("state", [RUNNING, PAUSED, State.CRASHED])
def test_one_that_lives_there_is_not_started_here(world: World, state: int) -> None:
    world.there.domains["g1"].state = state
    called = world.act("start", TCP)
    assert called.rc == 1
    assert called.reason == (
        "g1: runs on node2, where it has migrated to, and is not started here too"
    )
    assert world.table.living() == []


def test_one_that_is_being_ended_there_is_waited_for(world: World) -> None:
    """As what a start under a ban has left there: a paused QEMU, for a second or two."""
    world.patch.setattr(last_target, "GOES_S", 5.0)
    world.there.domains["g1"].state = PAUSED

    def watch(function: str) -> None:
        if function == "virDomainGetState" and len(world.there.called(function)) > 2:
            world.there.domains["g1"].state = SHUTOFF

    world.there.watch = watch
    assert world.act("start", TCP).rc == 0
    world.assert_started()


def test_one_that_has_stopped_there_is_started_here(world: World) -> None:
    world.there.domains["g1"].state = SHUTOFF
    assert world.act("start", TCP).rc == 0
    world.assert_started()
    # That is over: nobody is asked again.
    assert world.act("stop", TCP, force_stop="yes").rc == 0
    asked = len(world.there.called("virConnectOpen"))
    assert world.act("start", TCP).rc == 0
    assert len(world.there.called("virConnectOpen")) == asked


def test_one_that_came_back_is_forgotten_to_have_left(world: World) -> None:
    world.there.domains.pop("g1")
    world.guest()
    assert world.act("migrate_from", {**TCP, "CRM_meta_migrate_source": "node2"}).rc == 0
    assert world.act("stop", TCP, force_stop="yes").rc == 0
    asked = len(world.there.called("virConnectOpen"))
    assert world.act("start", TCP).rc == 0
    assert len(world.there.called("virConnectOpen")) == asked


@pytest.mark.parametrize("trouble", ["down", "stuck"])
def test_a_host_that_is_silent_is_no_obstacle(world: World, trouble: str) -> None:
    world.patch.setattr(last_target, "ASK_S", 0.5)
    world.there.down = "No route to host" if trouble == "down" else world.there.down
    world.there.stuck = trouble == "stuck"
    assert world.act("start", TCP).says(0, "node2, where it went, can't be asked for it")
    world.there.stuck = False


def test_a_host_that_is_no_member_is_not_asked(world: World, programs: Programs) -> None:
    programs.play("crm_node", "echo node1")
    asked = len(world.there.called("virConnectOpen"))
    assert world.act("start", TCP).rc == 0
    assert len(world.there.called("virConnectOpen")) == asked


def test_members_that_are_not_known_are_asked(world: World, programs: Programs) -> None:
    programs.play("crm_node", "exit 102")
    world.there.domains["g1"].state = RUNNING
    assert world.act("start", TCP).rc == 1


def test_another_guest_of_that_name_there_is_no_obstacle(world: World) -> None:
    del world.there.domains["g1"]
    world.there.add("g1", OTHER_UUID, RUNNING)
    assert world.act("start", TCP).rc == 0
