# SPDX-License-Identifier: GPL-2.0-or-later
"""A start asks the other hosts of the cluster whether the guest lives there.

By what each host's vm-stonithd publishes, else through its libvirt, else not at all.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from agents.virtual_domain.starting import other_hosts
from agents.virtual_domain.starting.other_hosts import GOES_S
from pmkvm.thread_call import Call
from pmkvm.virt import presence, record
from pmkvm.virt.connection import State
from tests.unit.virtual_domain.fake_libvirtmod import (
    CRASHED,
    PAUSED,
    RPC,
    RUNNING,
    SHUTOFF,
    Trouble,
)
from tests.unit.virtual_domain.world import OTHER_UUID, UUID, World

if TYPE_CHECKING:
    from pmkvm.deadline import Deadline
    from pmkvm.errors import DeadlineError
    from tests.unit.ocf.sample import Called
    from tests.unit.virtual_domain.fake_libvirtmod import FakeHypervisor
    from tests.unit.virtual_domain.local_cib import LocalCib

HOUR_S = 3600.0
BELIEVED = "can't be asked whether it lives there, so Pacemaker is believed"


@pytest.fixture(autouse=True)
def impatient_start(world: World, cib: LocalCib) -> None:
    assert world.cib is cib
    world.patch.setattr(other_hosts, "GOES_S", 0.5)
    world.patch.setattr(other_hosts, "_AGAIN_S", 0.0)


def start(world: World, **parameters: str) -> Called:
    """As Pacemaker orders it on node1."""
    given = {"CRM_meta_on_node": "node1", "migration_transport": "tcp", **parameters}
    return world.act("start", given)


def refused(world: World, called: Called, where: str = "node2") -> bool:
    assert world.table.living() == []
    return called.outcome == (1, f"g1: lives on {where}, and is not started here too")


def asked(hypervisor: FakeHypervisor) -> int:
    return len(hypervisor.called("virConnectOpen"))


def another(world: World, host: str, kind: str = "member") -> FakeHypervisor:
    """A host beside node2, which publishes nothing."""
    world.cib.hosts[host] = kind
    return world.hypervisor(f"qemu+tcp://{host}/system")


# What is published.


def test_one_that_was_migrated_away_by_hand_is_not_started_here_too(world: World) -> None:
    """libvirt here says "shut off (migrated)", and Pacemaker knows of nothing."""
    world.here.add("g1", UUID, SHUTOFF)
    world.cib.guests["node2"] = [OTHER_UUID, UUID]
    assert refused(world, start(world))
    # The process table there outweighs its libvirt.
    assert asked(world.there) == 0


def test_one_that_lives_nowhere_is_started_and_no_libvirt_is_asked(world: World) -> None:
    world.cib.guests["node2"] = [OTHER_UUID]
    called = start(world)
    assert called.outcome == (0, "")
    assert BELIEVED not in called.err
    assert asked(world.there) == 0
    world.assert_started()


def test_one_that_is_dying_there_is_waited_for(world: World) -> None:
    world.patch.setattr(other_hosts, "GOES_S", 60.0)
    world.cib.guests["node2"] = [UUID]
    answers: list[None] = []

    def die_at_last() -> None:
        answers.append(None)
        if len(answers) > 3:
            world.cib.guests["node2"] = []

    world.cib.heard = die_at_last
    assert start(world).rc == 0
    assert len(answers) > 3
    world.assert_started()


def test_this_host_is_not_asked(world: World) -> None:
    """Its own process table has been looked at."""
    world.cib.guests["node1"] = [UUID]
    assert start(world).rc == 0


def test_another_guest_of_that_name_there_is_no_obstacle(world: World) -> None:
    world.cib.guests.clear()
    world.there.add("g1", OTHER_UUID, RUNNING)
    assert start(world).rc == 0
    assert asked(world.there) == 1


def test_a_host_that_publishes_more_than_fits_is_asked(world: World) -> None:
    world.patch.setattr(presence, "LONGEST", 60)
    world.cib.guests["node2"] = [OTHER_UUID, UUID.replace("0", "a")]
    world.there.add("g1", UUID, RUNNING)
    assert refused(world, start(world))


# Through libvirt.


@pytest.mark.parametrize("published_s", [HOUR_S, -HOUR_S, 60.0])
def test_a_value_that_is_old_or_of_a_clock_that_is_off_has_libvirt_asked(
    world: World, published_s: float
) -> None:
    """Whatever it says, either way."""
    world.cib.published_s = published_s
    world.there.add("g1", UUID, RUNNING)
    assert refused(world, start(world))
    world.cib.guests["node2"] = [UUID]
    world.there.domains["g1"].state = SHUTOFF
    assert start(world).rc == 0


@pytest.mark.parametrize("state", [RUNNING, PAUSED, CRASHED, State.PM_SUSPENDED])
def test_any_state_but_off_is_a_life(world: World, state: int) -> None:
    world.cib.guests.clear()
    world.there.add("g1", UUID, state)
    assert refused(world, start(world))


def test_a_remote_node_is_asked_too(world: World) -> None:
    """Where the guest was migrated to, also if no vm-stonithd runs there."""
    another(world, "node3", "remote").add("g1", UUID, RUNNING)
    assert refused(world, start(world), "node3")


def test_a_host_that_is_no_longer_online_is_not_asked(world: World) -> None:
    """It was fenced, and its libvirt would be waited for in the middle of a failover."""
    world.cib.hosts.clear()
    world.cib.guests["node2"] = [UUID]
    assert start(world).rc == 0
    assert asked(world.there) == 0


def test_one_that_ends_there_in_time_by_libvirts_word_is_started(world: World) -> None:
    """As what a start under a ban has left there: a paused QEMU, for a second or two."""
    world.patch.setattr(other_hosts, "GOES_S", 60.0)
    world.cib.guests.clear()
    world.there.add("g1", UUID, PAUSED)

    def watch(function: str) -> None:
        if function == "virDomainGetState" and len(world.there.called(function)) > 2:
            world.there.domains["g1"].state = SHUTOFF

    world.there.watch = watch
    assert start(world).rc == 0
    world.assert_started()


def test_silence_does_not_take_back_what_was_said(world: World) -> None:
    world.cib.guests.clear()
    world.there.add("g1", UUID, RUNNING)
    world.there.when("virDomainGetState", lambda: setattr(world.there, "down", "No route to host"))
    assert refused(world, start(world))


@pytest.mark.parametrize("trouble", ["down", "stuck", "no transport"])
def test_a_host_that_is_silent_is_no_obstacle_and_is_told_of(world: World, trouble: str) -> None:
    world.patch.setattr(other_hosts, "ASK_S", 0.5)
    world.cib.guests.clear()
    world.there.down = "No route to host" if trouble == "down" else ""
    world.there.stuck = trouble == "stuck"
    parameters = {"migration_user": "no user"} if trouble == "no transport" else {}
    called = start(world, **parameters)
    assert called.rc == 0
    assert called.err.count(f"g1: {BELIEVED}: node2 (") == 1
    world.assert_started()


def test_hosts_are_asked_beside_each_other(world: World) -> None:
    """Each answers only once all have been asked."""
    world.patch.setattr(other_hosts, "ASK_S", 60.0)
    world.cib.guests.clear()
    hosts = [world.there, another(world, "node3"), another(world, "node4")]
    all_asked = threading.Barrier(len(hosts))

    def wait(function: str) -> None:
        if function == "virConnectOpen":
            all_asked.wait(60)

    for each in hosts:
        each.watch = wait
    called = start(world)
    assert called.outcome == (0, "")
    assert BELIEVED not in called.err


def test_silent_hosts_have_three_seconds_together(world: World) -> None:
    deadlines: list[Deadline] = []

    class Silent(Call):
        def is_done(self, deadline: Deadline) -> bool:
            deadlines.append(deadline)
            return False

    world.patch.setattr(other_hosts, "Call", Silent)
    world.cib.guests.clear()
    for host in ("node3", "node4", "node5"):
        another(world, host)
    called = start(world)
    assert called.err.count(BELIEVED) == 1
    assert all(f"node{number} (" in called.err for number in (2, 3, 4, 5))
    assert len(deadlines) == 4
    # One for all of them.
    assert len(set(map(id, deadlines))) == 1
    assert deadlines[0].remaining() <= other_hosts.ASK_S == 3.0


def test_without_a_thread_to_ask_in_the_start_tries_again(world: World) -> None:
    """What this host lacks says nothing of the other one."""
    lacks = [True, True]

    class Late(Call):
        @property
        def has_begun(self) -> bool:
            return not lacks and super().has_begun

        def is_done(self, deadline: Deadline) -> bool:
            return not lacks and super().is_done(deadline)

        def abandon(self) -> DeadlineError:
            error = super().abandon()
            lacks.pop()
            return error

    world.patch.setattr(other_hosts, "Call", Late)
    world.cib.guests.clear()
    world.there.add("g1", UUID, RUNNING)
    called = start(world)
    assert lacks == []
    assert BELIEVED not in called.err
    assert refused(world, called)


def test_a_silent_host_is_asked_once_however_often_a_start_tries(world: World) -> None:
    world.cib.guests.clear()
    world.there.down = "No route to host"
    busy = [Trouble(RPC, "client socket is closed", breaks=True)] * 3
    world.here.script("virDomainCreateXML", *busy)
    called = start(world)
    assert called.rc == 0
    assert called.err.count(BELIEVED) == 1
    assert asked(world.there) == 1


def test_a_start_that_tries_again_asks_again(world: World) -> None:
    """Not at each of its tries, which come five times a second."""

    def move_away(function: str) -> None:
        if function == "virDomainCreateXML":
            world.cib.guests["node2"] = [UUID]

    world.here.watch = move_away
    world.here.script("virDomainCreateXML", Trouble(RPC, "socket is closed", breaks=True))
    assert refused(world, start(world))
    world.cib.guests["node2"] = []
    world.patch.setattr(other_hosts, "_AGAIN_S", 60.0)
    world.here.script("virDomainCreateXML", Trouble(RPC, "socket is closed", breaks=True))
    assert start(world).rc == 0


# Without a cluster's tools.


def test_without_attrd_all_are_asked_through_libvirt(world: World) -> None:
    world.cib.is_attrd_there = False
    world.there.add("g1", UUID, RUNNING)
    assert refused(world, start(world))
    world.there.domains.clear()
    assert start(world).rc == 0


def test_a_cluster_that_does_not_tell_its_hosts_has_those_asked_that_publish(
    world: World,
) -> None:
    """As one that is slow, where a host's guests all start at a time."""
    world.cib.are_hosts_known = False
    called = start(world)
    assert called.says(0, "only those are asked that publish who lives there (node2): Pacemaker")
    assert asked(world.there) == 0
    assert world.by_pacemaker("stop", force_stop="yes").rc == 0
    world.cib.guests["node2"] = [UUID]
    assert refused(world, start(world))


def test_a_cluster_that_tells_nothing_is_no_obstacle_and_is_told_of(world: World) -> None:
    world.cib.are_hosts_known = world.cib.is_attrd_there = False
    assert start(world).says(0, "only those are asked that publish who lives there (none)")
    assert asked(world.there) == 0


def test_who_calls_by_hand_asks_nobody(world: World) -> None:
    world.cib.guests["node2"] = [UUID]
    called = world.act("start", migration_transport="tcp")
    assert called.outcome == (0, "")
    assert BELIEVED not in called.err


# Whom nothing is published of.


def test_one_without_a_uuid_is_asked_for_by_its_name(world: World) -> None:
    world.define(uuid="")
    assert start(world).rc == 0
    assert asked(world.there) == 1
    assert world.by_pacemaker("stop", force_stop="yes").rc == 0
    world.there.add("g1", OTHER_UUID, RUNNING)
    record.forget("vm1")
    assert refused(world, start(world))


def test_one_of_another_hypervisor_is_asked_for_through_libvirt(world: World) -> None:
    world.define(kind="xen")
    world.hypervisor("xen:///system")
    there = world.hypervisor("xen+tcp://node2/system")
    there.add("g1", UUID, RUNNING)
    assert refused(world, start(world, hypervisor="xen:///system"))
    there.domains["g1"].state = SHUTOFF
    assert start(world, hypervisor="xen:///system").rc == 0


def test_a_hypervisor_of_another_machine_is_the_same_for_all_hosts(world: World) -> None:
    world.define(kind="vmware")
    world.hypervisor("esx://vcenter/")
    called = start(world, hypervisor="esx://vcenter/")
    assert called.outcome == (0, "")
    assert BELIEVED not in called.err


# A fence meanwhile.


def test_a_fence_ends_the_wait(world: World) -> None:
    world.patch.setattr(other_hosts, "GOES_S", 60.0)
    world.cib.guests["node2"] = [UUID]
    world.cib.heard = world.cib.ban
    assert start(world).rc == 0
    assert world.here.called("virDomainCreateXML") == []


def test_it_is_waited_for_longer_than_what_is_published_counts() -> None:
    """Else a vm-stonithd that ends together with the guest's QEMU would have a start refused."""
    assert GOES_S > presence.FRESH_S + presence.AHEAD_S
