# SPDX-License-Identifier: GPL-2.0-or-later
"""The second half of a cold move: what the source has handed over starts at the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.migration.cold_move import Handover, from_text, to_text
from pmkvm import run
from pmkvm.virt import disks
from pmkvm.virt.definition import parse
from tests.unit.virtual_domain.fake_libvirtmod import CRASHED, PAUSED, RUNNING, SHUTOFF
from tests.unit.virtual_domain.local_cib import BAN_ID
from tests.unit.virtual_domain.test_live_disks import BASE, deep
from tests.unit.virtual_domain.world import G1, OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pmkvm.run import Completed
    from tests.unit.ocf.sample import Called
    from tests.unit.virtual_domain.fake_libvirtmod import FakeHypervisor

pytestmark = pytest.mark.usefixtures("cib")

HANDOVER = "vm-cold-move-vm1"
FROM_NODE1 = {"CRM_meta_migrate_source": "node1", "migration_transport": "tcp"}
TO_NODE2 = {"node1": to_text(Handover("node2", UUID, "g1"))}


def handed_over(world: World) -> dict[str, str]:
    return world.cib.attributes.get(HANDOVER, {})


def arrive_cold(world: World, **parameters: str) -> Called:
    given = {**FROM_NODE1, "CRM_meta_on_node": "node2", **parameters}
    return world.act("migrate_from", given, timeout_s=60)


@pytest.fixture
def source(world: World) -> FakeHypervisor:
    world.cib.attributes[HANDOVER] = dict(TO_NODE2)
    return world.hypervisor("qemu+tcp://node1/system")


def test_what_is_handed_over_starts_here(world: World, source: FakeHypervisor) -> None:
    source.add("g1", UUID, SHUTOFF)
    called = arrive_cold(world)
    assert called.outcome == (0, "")
    assert "g1: has ended on node1 and starts here" in called.err
    world.assert_started()
    assert handed_over(world) == {}, "carried out once"


def test_a_source_that_can_not_be_asked_is_believed(world: World, source: FakeHypervisor) -> None:
    source.down = "No route to host"
    assert arrive_cold(world).outcome == (0, "")
    world.assert_started()


@pytest.mark.parametrize("state", [RUNNING, PAUSED, CRASHED])
def test_a_guest_that_lives_there_does_not_start_here(
    world: World, source: FakeHypervisor, state: int
) -> None:
    source.add("g1", UUID, state)
    called = arrive_cold(world)
    assert called.outcome == (1, "g1: is to start here, and lives on node1")
    assert world.table.living() == []


@pytest.mark.usefixtures("source")
def test_a_guest_that_is_here_has_arrived(world: World) -> None:
    world.guest()
    called = arrive_cold(world)
    assert called.outcome == (0, "")
    assert "g1: arrived" in called.err
    assert world.here.called("virDomainCreateXML") == []


@pytest.mark.usefixtures("source")
def test_in_the_middle_of_a_migration_the_configuration_stays_as_it_is(world: World) -> None:
    """A change of it may have Pacemaker forget the arrival."""
    assert arrive_cold(world).rc == 0
    world.assert_started()
    assert world.cib.facts == {}


def test_disks_that_all_hosts_agree_on_by_now_stay_written_until_later(
    world: World, source: FakeHypervisor
) -> None:
    world.config.write_text(BASE)
    for host in (source, world.there):
        host.add("g1", UUID, SHUTOFF).xml = BASE
    told = disks.LastDisks(disks.digests(disks.of(parse(BASE.encode(), ""))), "vda")
    world.cib.facts["vm-disks"] = told.to_text()
    assert arrive_cold(world).rc == 0
    world.assert_started()
    assert "vm-disks" in world.cib.facts
    assert deep(world).rc == 0
    assert "vm-disks" not in world.cib.facts


@pytest.mark.usefixtures("source")
def test_another_guest_than_was_handed_over_is_not_started(world: World) -> None:
    world.define(uuid=OTHER_UUID)
    called = arrive_cold(world)
    assert called.rc == 5
    assert f"node1 has handed over g1 ({UUID})" in called.reason
    assert world.table.living() == []


@pytest.mark.usefixtures("source")
def test_under_a_ban_what_is_handed_over_does_not_start(world: World) -> None:
    world.cib.ban()
    called = arrive_cold(world)
    assert called.outcome == (0, "")
    assert BAN_ID in called.err
    assert world.table.living() == []


@pytest.mark.parametrize("said", ["", "node3 - 6731", "nonsense"])
def test_what_is_handed_over_to_nobody_here_is_waited_for(
    world: World, source: FakeHypervisor, said: str
) -> None:
    assert source is not None
    world.cib.attributes[HANDOVER] = {"node1": said}
    called = world.act("migrate_from", {**FROM_NODE1, "CRM_meta_on_node": "node2"}, timeout_s=3)
    assert called.outcome == (1, "g1: did not arrive: no such QEMU lives")
    assert world.table.living() == []


def test_an_ordinary_arrival_asks_attrd_nothing(world: World) -> None:
    called: list[str] = []

    def watched(argv: Sequence[str], **options: object) -> Completed:
        called.append(argv[0])
        return world.cib.run(argv, **options)

    world.patch.setattr(run, "run", watched)
    world.guest()
    assert arrive_cold(world).rc == 0
    assert "attrd_updater" not in called


@pytest.mark.parametrize("name", ["g1", 'a "b" & <c>', "\N{GREEK SMALL LETTER ALPHA}\n"])
def test_a_handover_is_read_as_it_was_written(name: str) -> None:
    handover = Handover("node2", "", name)
    text = to_text(handover)
    assert from_text(text) == handover
    assert '"' not in text
    assert "\n" not in text


def test_a_guest_without_a_uuid_is_known_by_its_name() -> None:
    assert Handover("node2", "", "g1").is_of(G1)
    assert Handover("node2", OTHER_UUID, "g1").is_of(G1._replace(uuid=""))
    assert not Handover("node2", OTHER_UUID, "g1").is_of(G1)
    assert not Handover("node2", "", "g2").is_of(G1)
    assert from_text("") is None
