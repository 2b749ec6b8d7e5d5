# SPDX-License-Identifier: GPL-2.0-or-later
"""Which domain the resource is on all hosts: the meta attribute vm-uuid, against what this host's
definition says, and against QEMUs of the guest's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.virt import record
from pmkvm.virt.identity import Identity
from pmkvm.virt.record import Record, Stage
from tests.unit.virtual_domain.fake_libvirtmod import (
    PAUSED,
    RUNNING,
    SHUTOFF,
)
from tests.unit.virtual_domain.world import G1, OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.ocf.sample import Called
    from tests.unit.virt.fake_qemu import FakeQemu

THIRD_UUID = "77777777-2222-3333-4444-555555555555"
LXC = "lxc:///system"
ORDER = "crm_resource --resource vm1 --meta --set-parameter vm-uuid --parameter-value"

pytestmark = pytest.mark.usefixtures("cib")


@pytest.fixture
def known(world: World) -> World:
    """The cluster has the guest's uuid."""
    world.cib.facts["vm-uuid"] = UUID
    return world


def probe(world: World) -> Called:
    return world.by_pacemaker("monitor", CRM_meta_interval="0")


def recurring(world: World) -> Called:
    return world.by_pacemaker("monitor", CRM_meta_interval="10000")


def stop(world: World) -> Called:
    return world.by_pacemaker("stop", force_stop="yes", timeout_s=10)


# --- a stranger: a QEMU of the guest's name and another uuid


def shared(_world: World) -> None:
    """The definition says the cluster's uuid."""


def own(world: World) -> None:
    """This host's own definition is the stranger's."""
    world.define(uuid=OTHER_UUID)


def gone(world: World) -> None:
    world.config.unlink()


definitions = pytest.mark.parametrize("definition", [shared, own, gone])


def stranger(world: World) -> FakeQemu:
    """As libvirt runs it: it has the name's pid file."""
    domain = world.here.add("g1", OTHER_UUID, RUNNING, persistent=False)
    qemu = world.qemu_of(domain)
    world.table.write_pid_file("g1", qemu.pid)
    return qemu


@definitions
@pytest.mark.parametrize("down", ["", "Connection refused"])
@pytest.mark.parametrize("act", [probe, recurring])
def test_a_stranger_is_not_the_guest(
    known: World, definition: Callable[[World], None], down: str, act: Callable[[World], Called]
) -> None:
    qemu = stranger(known)
    definition(known)
    known.here.down = down
    said = f"QEMU {qemu.pid} named g1 has uuid {OTHER_UUID} and not {UUID}: it is none of vm1"
    assert act(known).says(7, said)
    assert known.remembered is None


@definitions
@pytest.mark.parametrize("down", ["", "Connection refused"])
def test_a_stop_leaves_a_stranger_alone(
    known: World, definition: Callable[[World], None], down: str
) -> None:
    qemu = stranger(known)
    definition(known)
    known.here.down = down
    assert stop(known).says(0, "it is none of vm1, and is left alone")
    assert qemu.lives


@definitions
def test_the_guest_is_found_beside_a_stranger(
    known: World, definition: Callable[[World], None]
) -> None:
    """Of another libvirt's, such as a user's own."""
    other = known.table.start_qemu("g1", OTHER_UUID)
    mine = known.qemu_of(known.guest())
    definition(known)
    assert probe(known).rc == 0
    assert known.remembered == Record(G1, Stage.RUNNING, mine.life)
    record.forget("vm1")
    assert stop(known).rc == 0
    assert not mine.lives
    assert other.lives


@pytest.mark.parametrize("act", [probe, recurring])
def test_a_stranger_is_no_guest_where_the_last_life_is_remembered(
    known: World, act: Callable[[World], Called]
) -> None:
    mine = known.qemu_of(known.guest())
    assert recurring(known).rc == 0
    mine.end()
    known.here.domains.clear()
    qemu = stranger(known)
    assert act(known).says(7, "it is none of vm1")
    assert stop(known).says(0, "it is none of vm1")
    assert qemu.lives
    assert known.remembered is None


@pytest.mark.parametrize("is_resource", [True, False])
def test_without_the_cluster_s_word_a_person_must_say_which_is_meant(
    world: World, is_resource: bool
) -> None:
    world.cib.has_primitive = is_resource
    qemu = stranger(world)
    assert probe(world).names(1, "a person must say which is meant")
    assert stop(world).names(1, "a person must say which is meant")
    assert qemu.lives


def test_a_silent_cib_calls_nobody_a_stranger(known: World) -> None:
    known.cib.is_readable = False
    stranger(known)
    assert probe(known).names(1, "a person must say which is meant")
    assert stop(known).names(1, "a person must say which is meant")


def test_a_uuid_that_is_none_is_no_word(known: World) -> None:
    known.cib.facts["vm-uuid"] = "g1"
    stranger(known)
    called = probe(known)
    assert called.names(1, "a person must say which is meant")
    assert "vm1: vm-uuid: <uuid> is 'g1'" in called.err


def test_a_uuid_counts_as_a_person_may_write_it(world: World) -> None:
    world.cib.facts["vm-uuid"] = UUID.replace("-", "").upper()
    stranger(world)
    assert probe(world).rc == 7


@pytest.mark.parametrize(("state", "rc"), [(RUNNING, 1), (PAUSED, 1), (SHUTOFF, 7)])
def test_a_qemu_that_lies_about_its_uuid_is_no_stranger(known: World, state: int, rc: int) -> None:
    """One that was taken over, and no record: libvirt still has it as the guest."""
    liar = known.table.start_qemu("g1", OTHER_UUID)
    known.guest(state, qemu=liar)
    assert probe(known).rc == rc
    assert stop(known).rc == (1 if rc == 1 else 0)
    assert liar.lives


def test_one_that_says_another_name_and_uuid_is_the_guest_by_its_pid_file(known: World) -> None:
    liar = known.table.start_qemu("g3", OTHER_UUID)
    known.guest(qemu=liar)
    known.table.write_pid_file("g1", liar.pid)
    assert probe(known).rc == 0


def test_beside_a_stranger_a_start_fails_and_its_stop_does_not(known: World) -> None:
    qemu = stranger(known)
    assert known.by_pacemaker("start", timeout_s=5).names(1, "QEMU ")
    assert stop(known).rc == 0
    assert known.table.living() == [qemu]


# --- a definition of another name, or none


def elsewhere(world: World) -> None:
    """The file of another domain lies in the definition's place."""
    text = world.config.read_text().replace("g1", "g2").replace(UUID, THIRD_UUID)
    world.config.write_text(text)


def misnamed(world: World) -> None:
    """The file is not named as its domain, and is missing here."""
    world.config = world.directory / "a.xml"


@pytest.mark.parametrize("definition", [gone, misnamed, elsewhere, own])
def test_the_guest_is_known_whatever_its_definition_is(
    known: World, definition: Callable[[World], None]
) -> None:
    domain = known.guest()
    definition(known)
    assert probe(known).rc == 0
    assert known.remembered == Record(G1, Stage.RUNNING, known.qemu_of(domain).life)
    record.forget("vm1")
    assert recurring(known).rc == 0
    record.forget("vm1")
    assert stop(known).rc == 0
    assert domain.state == SHUTOFF
    assert known.table.living() == []


@pytest.mark.parametrize("definition", [own, misnamed])
def test_the_uuid_of_two_resources_is_no_word_against_a_definition(
    known: World, definition: Callable[[World], None]
) -> None:
    """A resource whose lines were copied from another's: that guest is none of it."""
    known.cib.is_uuid_copied = True
    qemu = known.table.start_qemu("g7", UUID)
    definition(known)
    said = f"vm-uuid {UUID} is another resource's as well, so that it tells nothing of vm1"
    assert probe(known).says(7, said)
    assert recurring(known).rc == 7
    assert stop(known).rc == 0
    assert qemu.lives
    assert known.by_pacemaker("start").rc == 5


def test_the_uuid_of_two_resources_is_that_of_the_definition(known: World) -> None:
    """Nobody contradicts it."""
    known.cib.is_uuid_copied = True
    known.guest()
    assert probe(known).rc == 0


@pytest.mark.parametrize("definition", [misnamed, elsewhere])
def test_the_guest_arrives_whatever_its_definition_is(
    known: World, definition: Callable[[World], None]
) -> None:
    domain = known.guest()
    definition(known)
    assert known.by_pacemaker("migrate_from", CRM_meta_migrate_source="node2").rc == 0
    assert known.remembered == Record(G1, Stage.RUNNING, known.qemu_of(domain).life)


def arrive(world: World) -> None:
    if not world.here.domains:
        world.guest()


def test_a_guest_that_is_late_is_known_when_it_arrives(known: World) -> None:
    misnamed(known)
    known.cib.then = lambda: arrive(known)
    assert known.by_pacemaker("migrate_from", CRM_meta_migrate_source="node2").rc == 0


@pytest.mark.parametrize("definition", [shared, gone, misnamed, own, elsewhere])
def test_where_no_qemu_lives_nobody_is_asked(
    known: World, definition: Callable[[World], None]
) -> None:
    definition(known)
    assert probe(known).rc == 7
    assert stop(known).rc == 0
    assert known.cib.fact_looks == 0


def test_who_remembers_a_guest_that_lives_asks_nobody(known: World) -> None:
    known.guest()
    assert recurring(known).rc == 0
    asked = known.cib.fact_looks
    gone(known)
    assert recurring(known).rc == 0
    assert probe(known).rc == 0
    assert known.by_pacemaker("migrate_from").rc == 0
    assert stop(known).rc == 0
    assert known.cib.fact_looks == asked


def test_a_person_s_call_asks_no_cluster(known: World) -> None:
    stranger(known)
    assert known.probe().rc == 1
    assert known.cib.fact_looks == 0


def test_a_guest_of_another_hypervisor_is_looked_up_by_the_cluster_s_uuid(known: World) -> None:
    there = known.no_qemu("lxc", RUNNING)
    domain = there.domains["g1"]
    misnamed(known)
    known.libvirt.hypervisors[LXC] = there
    assert known.by_pacemaker("monitor", CRM_meta_interval="0", hypervisor=LXC).rc == 0
    assert known.by_pacemaker("stop", force_stop="yes", hypervisor=LXC).rc == 0
    assert domain.state == SHUTOFF


# --- a stop with neither record nor definition, and no word of the cluster's


def arrived(world: World, name: str = "g1", uuid: str = UUID) -> FakeQemu:
    return world.table.start_qemu(name, uuid, incoming=True)


def untold(world: World) -> World:
    misnamed(world)
    return world


def test_a_stop_is_not_0_on_a_file_s_name_where_the_guest_was_to_arrive(world: World) -> None:
    qemu = arrived(untold(world))
    world.cib.has_arrival = True
    called = stop(world)
    assert called.fails(1, "nothing tells which domain vm1 is: QEMU")
    assert f"QEMU {qemu.pid}, named g1 ({UUID})" in called.reason
    assert f"{ORDER} UUID" in called.reason
    assert qemu.lives
    world.cib.facts["vm-uuid"] = UUID
    assert stop(world).rc == 0
    assert not qemu.lives


def test_a_stop_is_not_0_either_where_nobody_can_say_whether_it_was(world: World) -> None:
    arrived(untold(world))
    world.cib.is_readable = False
    assert stop(world).rc == 1


def test_behind_a_start_that_found_no_definition_a_stop_is_done(world: World) -> None:
    """Nothing of it was ever here: no host is fenced for a path that is mistyped."""
    arrived(untold(world))
    assert world.by_pacemaker("start").rc == 5
    assert stop(world).rc == 0


def test_no_guest_that_began_here_or_is_remembered_can_be_it(world: World) -> None:
    untold(world)
    world.cib.has_arrival = True
    world.table.start_qemu("g2", OTHER_UUID)
    known = arrived(world, "g3", THIRD_UUID)
    third = Identity("g3", THIRD_UUID, is_qemu=True)
    record.store("vm3", Record(third, Stage.RUNNING, known.life))
    assert stop(world).rc == 0


def test_a_qemu_of_the_file_s_name_is_taken_for_the_guest(world: World) -> None:
    untold(world)
    world.cib.has_arrival = True
    qemu = arrived(world, "a", OTHER_UUID)
    assert stop(world).rc == 0
    assert not qemu.lives
