# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's disks where a host has no definition of it, or another domain's of its name."""

from __future__ import annotations

import pytest

from tests.unit.virtual_domain.fake_libvirtmod import SHUTOFF
from tests.unit.virtual_domain.test_live_disks import BASE, COPY, deep, last, started
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World

pytestmark = pytest.mark.usefixtures("cib")


@pytest.fixture(params=["gone", "another domain's"])
def visited(world: World, request: pytest.FixtureRequest) -> World:
    """A guest that has come by a migration, with no definition of it here."""
    world.cib.facts["vm-uuid"] = UUID
    if request.param == "gone":
        world.config.unlink()
    else:
        world.define(uuid=OTHER_UUID)
    world.there.add("g1", UUID, SHUTOFF).xml = BASE
    world.guest().xml = BASE
    told = {"CRM_meta_migrate_source": "node2", "migration_transport": "tcp"}
    assert world.act("migrate_from", {"CRM_meta_on_node": "node1", **told}).rc == 0
    return world


def test_another_domain_s_definition_elsewhere_is_no_next_start(world: World) -> None:
    """A start there would be refused for its uuid."""
    domain = started(world)
    there = world.there.domains["g1"]
    there.uuid, there.xml = OTHER_UUID, COPY
    assert deep(world).rc == 0
    assert "vm-disks" not in world.cib.facts
    domain.xml = COPY
    assert deep(world).names(190, "a definition is not known: node2: libvirt's definition of g1")
    assert last(world) == "vda /x/copy.qcow2"


def test_a_guest_without_a_definition_here_is_compared_with_those_elsewhere(visited: World) -> None:
    assert deep(visited).says(0, "its disks are not compared with a definition here")
    assert "vm-disks" not in visited.cib.facts
    visited.here.domains["g1"].xml = COPY
    assert deep(visited).names(190, "is not so in the definition on node2")
    assert last(visited) == "vda /x/copy.qcow2"


def test_a_stop_without_a_definition_here_tells_of_a_change(visited: World) -> None:
    visited.here.domains["g1"].xml = COPY
    assert visited.by_pacemaker("stop").rc == 0
    assert last(visited) == "vda /x/copy.qcow2"


def test_a_stop_without_a_definition_here_tells_nobody_of_what_has_not_changed(
    visited: World,
) -> None:
    assert visited.by_pacemaker("stop").rc == 0
    assert "vm-disks" not in visited.cib.facts
