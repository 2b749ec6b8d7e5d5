# SPDX-License-Identifier: GPL-2.0-or-later
"""A start and the cluster's uuid (vm-uuid): the first one writes it, and none goes against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.virtual_domain.fake_libvirtmod import INTERNAL, Trouble
from tests.unit.virtual_domain.test_cluster_uuid import ORDER
from tests.unit.virtual_domain.world import OTHER_UUID, UUID

if TYPE_CHECKING:
    from tests.unit.virtual_domain.world import World

pytestmark = pytest.mark.usefixtures("cib")


@pytest.fixture
def known(world: World) -> World:
    """The cluster has the guest's uuid, and this host's definition is another domain's."""
    world.cib.facts["vm-uuid"] = UUID
    world.define(uuid=OTHER_UUID)
    return world


def test_the_first_start_writes_it(world: World) -> None:
    assert world.by_pacemaker("start").says(0, f"vm-uuid of vm1 is {UUID} from now on")
    assert world.cib.facts["vm-uuid"] == UUID
    assert world.by_pacemaker("stop", force_stop="yes").rc == 0
    called = world.by_pacemaker("start")
    assert called.rc == 0
    assert "from now on" not in called.err


def test_a_start_learns_it_as_it_looks_for_a_ban(world: World) -> None:
    world.cib.facts["vm-uuid"] = UUID
    assert world.by_pacemaker("start").rc == 0
    assert world.cib.fact_looks == 0


def test_a_start_that_fails_writes_nothing(world: World) -> None:
    world.here.script("virDomainCreateXML", Trouble(INTERNAL, "no"))
    assert world.by_pacemaker("start", timeout_s=5).rc == 1
    assert world.cib.facts == {}


def test_of_a_definition_without_a_uuid_nothing_is_written(world: World) -> None:
    """libvirt gives it another one at each start."""
    world.define(uuid="")
    assert world.by_pacemaker("start").rc == 0
    assert world.cib.facts == {}


def test_a_cib_that_can_not_be_written_fails_no_start(world: World) -> None:
    world.cib.is_writable = False
    assert world.by_pacemaker("start").says(0, "vm-uuid is not written to the CIB")
    world.assert_started()


def test_a_resource_that_is_in_no_cib_is_not_written(world: World) -> None:
    world.cib.has_primitive = False
    called = world.by_pacemaker("start")
    assert called.rc == 0
    assert "vm-uuid" not in called.err
    assert world.cib.facts == {}


def test_a_definition_of_another_uuid_starts_nothing(known: World) -> None:
    called = known.by_pacemaker("start")
    assert called.fails(5, f"{known.config} here says uuid {OTHER_UUID}, but in this cluster")
    assert f"vm1 is the domain of uuid {UUID}: correct the definition" in called.reason
    assert called.reason.endswith(f"{ORDER} {OTHER_UUID}")
    assert known.table.living() == []
    assert known.cib.facts["vm-uuid"] == UUID
    known.cib.facts["vm-uuid"] = OTHER_UUID
    assert known.by_pacemaker("start").rc == 0


def test_a_definition_without_a_uuid_is_not_the_cluster_s_either(known: World) -> None:
    known.define(uuid="")
    called = known.by_pacemaker("start")
    assert called.names(5, f"{known.config} here has no uuid, but in this cluster")
    assert called.reason.endswith(f"{ORDER} UUID")


def test_validate_all_at_level_10_says_so(known: World) -> None:
    called = known.by_pacemaker("validate-all", OCF_CHECK_LEVEL="10")
    assert called.names(5, f"says uuid {OTHER_UUID}, but in this cluster vm1 is")
