# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose disks were changed while it ran: said, told to the other hosts, and not started
from older data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.starting import noted_disks
from pmkvm.virt import disks
from tests.unit.virtual_domain.fake_libvirtmod import OPERATION_FAILED, RUNNING, SHUTOFF, Trouble
from tests.unit.virtual_domain.world import ORDERS, UUID, World

if TYPE_CHECKING:
    from tests.unit.ocf.sample import Called
    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain

BELOW = "<backingStore type='file'><source file='/x/g1.qcow2'/><backingStore/></backingStore>"
REMOVAL = "crm_resource --resource vm1 --meta --delete-parameter vm-disks"

pytestmark = pytest.mark.usefixtures("cib")


def xml(image: str = "/x/g1.qcow2", more: str = "", *, below: str = "") -> str:
    disk = f"<disk><source file='{image}'/>{below}<target dev='vda'/></disk>"
    return (
        f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid>"
        f"<devices>{disk}{more}</devices></domain>"
    )


BASE, SNAPSHOT = xml(), xml("/x/g1.s", below=BELOW)
COPY = xml("/x/copy.qcow2")
PLUGGED = xml(more="<disk><source file='/x/new'/><target dev='vdb'/></disk>")


def deep(world: World, level: str = "10", **parameters: str) -> Called:
    given = {"OCF_CHECK_LEVEL": level, "OCF_RA_VERSION_MINOR": "1", "migration_transport": "tcp"}
    return world.act(
        "monitor",
        {**given, **parameters},
        CRM_meta_interval="10000",
        CRM_meta_on_node="node1",
    )


def started(world: World, *, defined: bool = True) -> FakeDomain:
    """By its own start, and with the same definition on node2 if it has one in libvirt."""
    world.config.write_text(BASE)
    if defined:
        world.here.add("g1", UUID, SHUTOFF).xml = BASE
        world.there.add("g1", UUID, SHUTOFF).xml = BASE
    assert world.by_pacemaker("start").rc == 0
    domain = world.here.domains["g1"]
    domain.xml = BASE
    return domain


def last(world: World) -> str:
    return disks.last_disks(world.cib.facts.get("vm-disks", "")).first


def next_start(world: World, text: str) -> Called:
    """As another host would make it: here, with nothing remembered, from that definition."""
    domain = world.here.domains["g1"]
    world.here.end(domain)
    world.here.domains.clear()
    world.config.write_text(text)
    return world.by_pacemaker("start")


# The monitor.


def test_a_guest_with_the_disks_of_its_definitions_costs_nobody_anything(world: World) -> None:
    started(world)
    assert deep(world).rc == 0
    asked, looks = len(world.there.calls), world.cib.questions
    assert asked
    assert [deep(world).rc for _ in range(3)] == [0, 0, 0]
    # The other hosts were asked once, and the CIB not looked at since.
    assert (len(world.there.calls), world.cib.questions) == (asked, looks)
    assert "vm-disks" not in world.cib.facts


@pytest.mark.parametrize("now", [SNAPSHOT, COPY, PLUGGED], ids=["snapshot", "copy", "plugged"])
def test_disks_that_the_definition_here_does_not_name(world: World, now: str) -> None:
    domain = started(world)
    domain.xml, domain.next_xml = now, BASE
    called = deep(world)
    assert called.rc == 190
    assert called.reason.startswith("g1: the next start would not have the same disks: its disk vd")
    assert called.reason.endswith("is not so in the definition on this host")
    assert last(world)


def test_a_disk_that_was_taken_out_of_the_guest_alone(world: World) -> None:
    domain = started(world)
    domain.next_xml = PLUGGED
    called = deep(world)
    assert called.names(190, "disk vdb /x/new of the definition on this host is not in the guest")
    # No data of the guest's is missing there.
    assert "vm-disks" not in world.cib.facts
    assert next_start(world, PLUGGED).rc == 0


@pytest.mark.parametrize("now", [SNAPSHOT, COPY], ids=["snapshot", "copy"])
def test_disks_that_another_hosts_definition_does_not_name(world: World, now: str) -> None:
    """libvirt has written them into its definition on this host."""
    domain = started(world)
    domain.xml = now
    assert deep(world).names(190, "is not so in the definition on node2")
    assert last(world).startswith("vda /x/")
    # Until that one names them as well.
    world.there.domains["g1"].xml = now
    assert deep(world).rc == 0
    assert "vm-disks" not in world.cib.facts
    assert deep(world).rc == 0


def test_a_snapshot_from_before_anybody_looked(world: World) -> None:
    world.guest(persistent=True).xml = SNAPSHOT
    world.there.add("g1", UUID, SHUTOFF).xml = BASE
    assert deep(world).names(190, "on node2")
    assert last(world) == "vda /x/g1.s"


def test_hosts_that_call_a_disk_by_other_names_are_named_and_start_it(world: World) -> None:
    """Nothing has changed since it came: whether it is another disk nobody can tell."""
    started(world)
    world.there.domains["g1"].xml = xml("/dev/other-name")
    assert deep(world).names(190, "on node2")
    assert "vm-disks" not in world.cib.facts


def test_disks_that_the_file_does_not_name_where_a_start_uses_it(world: World) -> None:
    domain = started(world, defined=False)
    domain.xml = SNAPSHOT
    assert deep(world).names(190, f"in the definition in {world.config}")
    assert last(world) == "vda /x/g1.s"
    world.config.write_text(SNAPSHOT)
    assert deep(world).rc == 0
    assert "vm-disks" not in world.cib.facts


def test_the_file_counts_as_well_for_a_host_without_a_definition(world: World) -> None:
    domain = started(world)
    world.there.domains.clear()
    domain.xml = SNAPSHOT
    assert deep(world).names(190, f"in the definition in {world.config}")


@pytest.mark.parametrize("how", ["down", "silent"])
def test_a_change_that_a_host_may_not_know_of(world: World, how: str) -> None:
    domain = started(world)
    if how == "down":
        world.cib.down.add("node2")
    else:
        world.there.down = "Host key verification failed."
    assert deep(world).rc == 0
    domain.xml = COPY
    called = deep(world)
    assert called.names(190, "its disks have changed, and a definition is not known: node2")
    assert last(world) == "vda /x/copy.qcow2"
    # And back again: nothing has been lost, and that is known.
    domain.xml = BASE
    assert deep(world).rc == 0
    world.there.down = ""
    world.cib.down.clear()
    deep(world)


def test_while_a_host_is_down_they_stay(world: World) -> None:
    domain = started(world)
    domain.xml = SNAPSHOT
    assert deep(world).rc == 190
    world.cib.down.add("node2")
    next_start(world, SNAPSHOT)
    world.here.domains["g1"].xml = SNAPSHOT
    assert deep(world).rc == 0
    assert last(world) == "vda /x/g1.s"
    world.cib.down.clear()
    world.there.domains["g1"].xml = SNAPSHOT
    world.patch.setattr(noted_disks, "_ASK_EVERY_S", 0.0)
    assert deep(world).rc == 0
    assert "vm-disks" not in world.cib.facts


def test_a_person_who_asks_changes_nothing(world: World) -> None:
    started(world).next_xml = PLUGGED
    given = {"OCF_CHECK_LEVEL": "10", "OCF_RA_VERSION_MINOR": "1"}
    assert world.act("monitor", given, CRM_meta_interval="10000").rc == 190
    assert "vm-disks" not in world.cib.facts


def test_what_cannot_be_found_out_is_no_trouble(world: World) -> None:
    started(world)
    world.here.script("virDomainGetXMLDesc", Trouble(OPERATION_FAILED, "no"))
    assert deep(world).says(0, "its disks are not compared with its definition: no")
    world.cib.is_readable = False
    assert deep(world).says(0, "the other hosts are not told of its disks")


def test_a_silent_guest_agent_is_worse_and_the_hosts_are_told(world: World) -> None:
    domain = started(world)
    domain.xml, domain.next_xml = SNAPSHOT, BASE
    # The definition has no channel for it.
    assert deep(world, "20").rc == 6
    assert last(world)


def test_other_hypervisors_too(world: World) -> None:
    hypervisor = world.no_qemu("xen", RUNNING)
    domain = hypervisor.domains["g1"]
    domain.xml, domain.next_xml = PLUGGED, BASE
    assert deep(world).rc == 190
    hypervisor.script("virDomainIsPersistent", Trouble(3, "this function is not supported"))
    assert deep(world).rc == 0


def test_a_guest_that_has_arrived_is_known_by_the_disks_that_it_came_with(world: World) -> None:
    world.config.write_text(BASE)
    domain = world.guest(persistent=True)
    domain.xml = BASE
    world.there.add("g1", UUID, SHUTOFF).xml = BASE
    told = {"CRM_meta_migrate_source": "node2", "migration_transport": "tcp"}
    arrived = world.act("migrate_from", {"CRM_meta_on_node": "node1", **told})
    assert arrived.rc == 0
    domain.xml = COPY
    assert deep(world).names(190, "on node2")
    # By its change alone: the copy does not lie over what that definition names.
    assert last(world) == "vda /x/copy.qcow2"


# The definition is saved when it changes.


def test_a_definition_is_saved_when_it_changes(world: World) -> None:
    started(world, defined=False).xml = SNAPSHOT
    assert deep(world, save_config_on_stop="yes").rc == 0
    assert world.config.read_text() == SNAPSHOT
    assert "vm-disks" not in world.cib.facts


# The start.


def lost(world: World) -> None:
    """host1 has died with a guest whose newest data is in a snapshot's overlay."""
    started(world).xml = SNAPSHOT
    assert deep(world).rc == 190


def test_a_start_by_a_definition_of_older_disks_is_refused(world: World) -> None:
    lost(world)
    orders = len(world.here.called(*ORDERS))
    called = next_start(world, BASE)
    assert called.rc == 5
    assert called.reason == (
        "not started: the guest last ran with other disks than the definition here names (see"
        " vda /x/g1.s), and its newest data would be lost: name its disks as they were in the"
        f" definition, or give that data up by `{REMOVAL}`; then `crm_resource --cleanup"
        " --resource vm1`"
    )
    assert len(world.here.called(*ORDERS)) == orders
    assert world.stage == "nothing"
    # As often as it is asked.
    assert world.by_pacemaker("start").rc == 5


def test_libvirts_own_definition_counts_before_the_file(world: World) -> None:
    lost(world)
    world.here.end(world.here.domains["g1"])
    world.here.domains["g1"].xml = BASE
    world.config.write_text(SNAPSHOT)
    assert world.by_pacemaker("start").rc == 5
    world.here.domains["g1"].xml = SNAPSHOT
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()


def test_a_definition_that_names_them_starts_it(world: World) -> None:
    lost(world)
    assert next_start(world, SNAPSHOT).rc == 0
    world.assert_started()


def test_a_definition_with_one_disk_more_starts_it(world: World) -> None:
    """As one that a person has edited for the next start."""
    domain = started(world)
    domain.next_xml = PLUGGED
    assert world.by_pacemaker("stop").rc == 0
    assert "vm-disks" not in world.cib.facts
    domain.xml = PLUGGED
    assert world.by_pacemaker("start").rc == 0


def test_a_person_may_give_the_data_up(world: World) -> None:
    lost(world)
    del world.cib.facts["vm-disks"]
    assert next_start(world, BASE).rc == 0
    world.assert_started()


def test_a_clean_stop_changes_nothing_of_that(world: World) -> None:
    lost(world)
    assert world.by_pacemaker("stop").rc == 0
    world.here.domains["g1"].xml = BASE
    assert world.by_pacemaker("start").rc == 5


@pytest.mark.parametrize("now", [SNAPSHOT, COPY], ids=["snapshot", "copy"])
def test_a_stop_tells_the_hosts_where_no_monitor_has(world: World, now: str) -> None:
    started(world).xml = now
    assert world.by_pacemaker("stop").rc == 0
    assert last(world).startswith("vda /x/")
    assert next_start_after_stop(world, BASE) == 5
    assert next_start_after_stop(world, now) == 0


def next_start_after_stop(world: World, text: str) -> int:
    world.here.domains["g1"].xml = text
    return world.by_pacemaker("start").rc


def test_a_stop_takes_back_what_is_no_longer_so(world: World) -> None:
    """The snapshot was committed, and no deep monitor has come since."""
    lost(world)
    world.here.domains["g1"].xml = BASE
    assert world.by_pacemaker("stop").rc == 0
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()


def test_a_stop_of_a_guest_as_it_came_tells_nobody(world: World) -> None:
    started(world)
    looks = world.cib.questions
    assert world.by_pacemaker("stop").rc == 0
    assert "vm-disks" not in world.cib.facts
    # For a ban, before and after it asks the guest.
    assert world.cib.questions - looks <= 2


def test_a_stop_never_fails_for_it(world: World) -> None:
    started(world).xml = SNAPSHOT
    world.here.script("virDomainGetXMLDesc", Trouble(OPERATION_FAILED, "no"))
    assert world.by_pacemaker("stop").says(0, "its disks are not looked at: no")
    assert world.table.living() == []


def test_a_start_that_finds_all_hosts_agreed_forgets_them(world: World) -> None:
    lost(world)
    world.there.domains["g1"].xml = SNAPSHOT
    assert world.by_pacemaker("stop").rc == 0
    assert world.by_pacemaker("start", migration_transport="tcp").rc == 0
    assert "vm-disks" not in world.cib.facts


def test_a_guest_that_comes_with_other_disks_than_it_had_here_before(world: World) -> None:
    """What was noted is of another life."""
    started(world).xml = COPY
    world.here.end(world.here.domains["g1"])
    world.there.domains["g1"].xml = COPY
    world.guest(persistent=True).xml = COPY
    assert deep(world).rc == 0
    assert "vm-disks" not in world.cib.facts


def test_what_nobody_here_wrote_is_taken_for_other_disks(world: World) -> None:
    world.config.write_text(BASE)
    world.cib.facts["vm-disks"] = "of a later release"
    assert world.by_pacemaker("start").rc == 5


def test_facts_of_another_name_stop_nobody(world: World) -> None:
    world.config.write_text(BASE)
    world.cib.facts["vm-other"] = "x"
    assert world.by_pacemaker("start").rc == 0
    world.assert_started()
