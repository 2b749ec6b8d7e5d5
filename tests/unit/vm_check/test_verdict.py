# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of each guest on each host, and of a host's guests if it is emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from check.vm_check import emptying, kinds, verdict
from check.vm_check.emptying import Planned
from check.vm_check.verdict import Way
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.pacemaker.status import Node
from tests.unit.vm_check import fenced, world
from tests.unit.vm_check.world import HOST1, HOST2, defined, having, lacking, on

if TYPE_CHECKING:
    from check.vm_check.facts import Facts

SNAPSHOT = having("guest1", HOST1, snapshots=1)
NO_ISO = lacking(HOST2, "/iso/guest1.iso")
STOPPED = having("guest1", HOST1, runs=False, live=None, state="shutoff")._replace()


def ways(made: Facts, name: str = "guest1") -> dict[str, Way]:
    found = verdict.of_all(made, kinds.find(made))
    return {node: each.way for node, each in found[name].items()}


def standby() -> Facts:
    made = world.facts()
    nodes = (Node(HOST1, "member", online=True), Node(HOST2, "member", online=True, standby=True))
    return made._replace(cluster=made.cluster._replace(nodes=nodes))


def silent() -> Facts:
    made = world.facts()
    return made._replace(hosts={**made.hosts, HOST2: None}, silent={HOST2: "out of time"})


def without_definition() -> Facts:
    made = lacking(HOST2, "/etc/libvirt/qemu/guest1.xml")
    known = made.hosts[HOST2]
    assert known is not None
    return on(HOST2, made, domains={"guest2": known.domains["guest2"]})


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (world.facts(), Way.LIVE),
        (SNAPSHOT, Way.RESTART),
        (defined("guest1", world.DEVICES + "<shmem/>"), Way.RESTART),
        (world.guest("guest1", meta={}), Way.RESTART),
        (NO_ISO, Way.NO),
        (having("guest1", HOST2, uuid=fenced.UUIDS["guest2"]), Way.NO),
        (standby(), Way.NO),
        (silent(), Way.UNKNOWN),
        # A live move brings its definition along.
        (without_definition(), Way.LIVE),
        (having("guest1", HOST2, saved="kept"), Way.LIVE),
        (lacking(HOST2, "/nvram/guest1.fd"), Way.LIVE),
    ],
)
def test_how_a_guest_gets_there(made: Facts, expected: Way) -> None:
    assert ways(made) == {HOST1: Way.HERE, HOST2: expected}


def test_a_guest_that_can_t_leave_alive_and_can_t_be_started_there() -> None:
    made = having("guest1", HOST2, saved="kept")
    known = made.hosts[HOST1]
    assert known is not None
    domains = {**known.domains, "guest1": known.domains["guest1"]._replace(snapshots=1)}
    found = verdict.of_all(both := on(HOST1, made, domains=domains), kinds.find(both))["guest1"]
    assert found[HOST2].way is Way.NO
    assert {each.kind.id for each in found[HOST2].because} == {"snapshot", "managed-save"}
    assert verdict.is_stuck(found)


def test_what_hinders_a_start_where_it_lives_is_told_there() -> None:
    made = having("guest1", HOST1, saved="kept")
    found = verdict.of_all(made, kinds.find(made))["guest1"]
    assert [each.kind.id for each in found[HOST1].because] == ["managed-save"]


def test_a_stopped_guest() -> None:
    made = STOPPED._replace(
        guests={
            **STOPPED.guests,
            "guest1": STOPPED.guests["guest1"]._replace(instances=()),
        }
    )
    assert ways(made) == {HOST1: Way.START, HOST2: Way.START}
    assert ways(NO_ISO, "guest2") == {HOST1: Way.LIVE, HOST2: Way.HERE}


SIMULATED = (
    '<pacemaker-result><actions><rsc_action action="migrate" resource="prmguest1" source="host1"'
    ' dest="host2"/><rsc_action action="stop" resource="fence" node="host1"/>'
    '<rsc_action action="move" resource="addr" source="host1" dest="host2"/>'
    "</actions></pacemaker-result>"
)


def test_what_pacemaker_would_do() -> None:
    assert emptying.parse(SIMULATED) == {
        "prmguest1": Planned("migrate", HOST2),
        "fence": Planned("stop", ""),
        "addr": Planned("move", HOST2),
    }
    with pytest.raises(BadAnswerError):
        emptying.parse("")


def test_the_copy_of_the_cib_has_the_host_in_standby() -> None:
    root = fenced.cib()
    text = emptying.with_standby(root, HOST1)
    changed = etree.fromstring(text)
    (pair,) = changed.iterfind("configuration/nodes/node[@uname='host1']/instance_attributes/*")
    assert (pair.get("name"), pair.get("value")) == ("standby", "on")
    assert root.find("configuration/nodes/node/instance_attributes") is None
    remote = etree.fromstring(emptying.with_standby(root, "remote1"))
    assert remote.find("configuration/nodes/node[@uname='remote1']/instance_attributes") is not None


PLANNED = {"prmguest1": Planned("migrate", HOST2)}


@pytest.mark.parametrize(
    ("made", "planned", "to", "way", "code"),
    [
        (world.facts(), PLANNED, HOST2, Way.LIVE, 0),
        (SNAPSHOT, PLANNED, HOST2, Way.RESTART, 1),
        (NO_ISO, PLANNED, HOST2, Way.NO, 2),
        (world.facts(), {"prmguest1": Planned("stop", "")}, "", Way.LIVE, 2),
        (world.facts(), {}, HOST1, Way.LIVE, 2),
        (world.facts(), None, None, Way.LIVE, 0),
    ],
)
def test_a_host_is_emptied(
    made: Facts, planned: dict[str, Planned] | None, to: str | None, way: Way, code: int
) -> None:
    told = world.told(made, host=HOST1, planned=planned)
    (leaving,) = told.departures
    assert (leaving.guest.domain, leaving.to, leaving.verdict.way) == ("guest1", to, way)
    assert told.code == code
    assert set(told.verdicts) == {"guest1"}


def test_all_that_arrive_together_are_too_much() -> None:
    made = on(HOST2, free_kib=3 * world.GIB)
    assert world.told(made, host=HOST1, planned=PLANNED).crowded == {}
    heavy = on(HOST2, free_kib=world.GIB)
    told = world.told(heavy, host=HOST1, planned=PLANNED)
    assert told.crowded == {HOST2: (2 * world.GIB, world.GIB)}
    assert told.code == 1


def test_one_guest_alone() -> None:
    both = lacking(HOST2, world.LOADER)
    told = world.told(both, guest="guest2")
    assert {each.subject for each in told.findings} == {"guest2"}
    assert set(told.verdicts) == {"guest2"}
