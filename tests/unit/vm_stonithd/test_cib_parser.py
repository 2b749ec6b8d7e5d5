# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CIB says to vm-stonithd, beside the XPaths that guard its writes: one meaning for both."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from daemons.vm_stonithd.cluster import cib_parser
from daemons.vm_stonithd.model.facts import Resource, Standing
from pmkvm.fencing import ban as bans
from pmkvm.fencing import status_words
from pmkvm.fencing.ban import Ban
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.pacemaker.status import Resource as Instance
from tests.unit.fencing import cibs

if TYPE_CHECKING:
    from daemons.vm_stonithd.model.facts import View

HOSTS = ("host1", "host2", "host3", "host4")
ENTRIES = [(host, f"prmVMCTL_guest{n}") for host in ("host1", "host2", "host3") for n in (1, 2)]
BAN = Ban("prmVMCTL_guest2", "reset", "9c41", "prmVMCTL_guest1", "5be0", "host1", "u", 1795370064)


def seen(cib: etree._Element, *instances: Instance) -> cib_parser.Seen:
    return cib_parser.read(etree.tostring(cib, encoding="unicode"), ("host1", "host2"), instances)


def look(cib: etree._Element, *instances: Instance) -> View:
    return seen(cib, *instances).view


def instance(resource: str, **fields: object) -> Instance:
    plain = Instance(
        id=resource,
        agent="ocf:extra:VirtualDomain",
        role="Started",
        target_role=None,
        active=True,
        managed=True,
        failed=False,
        blocked=False,
        pending=None,
        nodes=("host2",),
        parents=(),
    )
    return plain._replace(**fields)  # type: ignore[arg-type]


def is_so(cib: etree._Element, host: str, condition: str) -> bool:
    """What the CIB manager would say of a node_state."""
    path = f"/cib/status/node_state[@uname='{host}'][{status_words.CLUSTER_NODE}][{condition}]"
    return bool(cib.getroottree().xpath(path))


def test_hosts_stand_as_the_guard_says(cib: etree._Element) -> None:
    found = look(cib)
    assert set(found.hosts) == set(HOSTS)
    assert found.members == {"host1", "host2"}
    assert found.partition == {"host1", "host2"}
    assert [found.hosts[host] for host in ("host3", "host4")] == [Standing.DOWN] * 2
    # host4 was fenced: nothing is remembered of it.
    assert found.lrm == {"host3"}
    assert found.quorum
    assert not found.maintenance


@pytest.mark.parametrize("name", ["join", "expected", "crmd", "in_ccm"])
@pytest.mark.parametrize("value", ["member", "down", "offline", "0", "false", "online", "", None])
@pytest.mark.parametrize("host", ["host1", "host3"])
def test_standing_is_the_guards(
    cib: etree._Element, host: str, name: str, value: str | None
) -> None:
    state = cibs.state(cib, host)
    if value is None:
        state.attrib.pop(name, "")
    else:
        state.set(name, value)
    expected = Standing.OTHER
    if is_so(cib, host, status_words.OK):
        expected = Standing.OK
    elif is_so(cib, host, status_words.DOWN):
        expected = Standing.DOWN
    assert look(cib).hosts[host] is expected


def test_host_without_a_state_is_neither(cib: etree._Element) -> None:
    cibs.remove(cibs.state(cib, "host3"))
    assert look(cib).hosts["host3"] is Standing.OTHER


@pytest.mark.parametrize(("host", "resource"), ENTRIES)
def test_histories_are_the_guards(cib: etree._Element, host: str, resource: str) -> None:
    entry = cibs.history(cib, host, resource)
    last = cibs.last(cib, host, resource)
    shapes = itertools.product(
        (("stop", "0"), ("stop", "1"), ("monitor", "7"), ("monitor", "5"), ("start", "0")),
        (None, ("migrate_from", 5, 0), ("migrate_from", 9999, 0), ("stop", 9999, 193)),
    )
    for (operation, rc), added in shapes:
        cibs.set_all(last, operation=operation, rc_code=rc)
        if added is not None:
            cibs.add_operation(entry, *added)
        said = look(cib).history(host, resource)
        assert said is not None
        path = f"lrm/lrm_resources/lrm_resource[@id='{resource}']"
        assert said.ended == is_so(cib, host, f"{path}[{status_words.ended(resource)}]")
        assert said.recorded == is_so(cib, host, f"{path}[{status_words.recorded(resource)}]")
        assert said.pending == is_so(cib, host, f"{path}[{status_words.PENDING}]")
        if added is not None:
            entry.remove(entry[-1])


@pytest.mark.parametrize("is_up", [True, False])
@pytest.mark.parametrize("added", [None, ("migrate_from", 9999, 0), ("stop", 9999, 193)])
@pytest.mark.parametrize(
    "last", [None, ("stop", "0"), ("stop", "1"), ("monitor", "7"), ("monitor", "5"), ("start", "0")]
)
def test_what_may_run_on_a_remote_node_is_the_guards(
    cib: etree._Element,
    is_up: bool,
    added: tuple[str, int, int] | None,
    last: tuple[str, str] | None,
) -> None:
    resource = "prmVMCTL_guest2"
    entry = cibs.history(cib, "remote1", resource)
    if last is None:
        entry.remove(entry[0])
    else:
        cibs.set_all(cibs.last(cib, "remote1", resource), operation=last[0], rc_code=last[1])
    if added is not None:
        cibs.add_operation(entry, *added)
    if not is_up:
        cibs.state(cib, "remote1").set("in_ccm", "false")
    path = f"/cib/status/node_state[{status_words.may_run_remotely(resource)}]"
    found = look(cib)
    assert found.remote == {"remote1": is_up}
    assert found.may_run_remotely("remote1", resource) == bool(cib.getroottree().xpath(path))
    # Neither is a host that takes part in a fence.
    assert "remote1" not in found.hosts


GUEST2 = "prmVMCTL_guest2"


def planned(operation: etree._Element, number: int, dc: str = "dc") -> None:
    operation.set("transition-key", f"2:{number}:0:{dc}")


@pytest.fixture
def departed(cib: etree._Element) -> etree._Element:
    """The entry of guest2 on host2, which it has left for remote1; that was probed before."""
    planned(cibs.last(cib, "remote1", GUEST2), 6)
    entry = cibs.history(cib, "host2", GUEST2)
    cibs.add_operation(entry, "migrate_to", 9998)
    entry[-1].set("migrate_target", "remote1")
    planned(entry[-1], 20)
    return entry


@pytest.mark.parametrize("rc", [0, 1, 193])
@pytest.mark.parametrize("later", [None, ("stop", 9999, 0), ("stop", 9999, 193)])
def test_who_left_for_a_remote_node_may_run_there(
    cib: etree._Element, departed: etree._Element, rc: int, later: tuple[str, int, int] | None
) -> None:
    cibs.set_all(departed[-1], rc_code=str(rc), op_status="-1" if rc == 193 else "0")
    if later is not None:
        cibs.add_operation(departed, *later)
    assert look(cib).may_run_remotely("remote1", GUEST2)


@pytest.mark.parametrize("operation", ["start", "migrate_from"])
def test_who_came_back_has_left_no_more(
    cib: etree._Element, departed: etree._Element, operation: str
) -> None:
    cibs.add_operation(departed, operation, 9999)
    assert not look(cib).may_run_remotely("remote1", GUEST2)


def test_who_left_for_a_member_is_the_members_affair(
    cib: etree._Element, departed: etree._Element
) -> None:
    departed[-1].set("migrate_target", "host1")
    assert not look(cib).may_run_remotely("remote1", GUEST2)


@pytest.mark.parametrize(
    ("operation", "rc", "number", "dc", "may_run"),
    [
        # An arrival is of the same transition, or of the next one. A stop may follow.
        ("stop", "0", 20, "dc", False),
        ("stop", "0", 21, "dc", False),
        # Of an earlier visit, or nobody knows of which.
        ("stop", "0", 19, "dc", True),
        ("stop", "0", 21, "another", True),
        ("stop", "1", 21, "dc", True),
        # A probe of the same transition came before the migration.
        ("monitor", "7", 20, "dc", True),
        ("monitor", "7", 21, "dc", False),
    ],
)
@pytest.mark.usefixtures("departed")
def test_what_a_remote_node_says_later_counts(
    cib: etree._Element, operation: str, rc: str, number: int, dc: str, *, may_run: bool
) -> None:
    said = cibs.last(cib, "remote1", GUEST2)
    cibs.set_all(said, operation=operation, rc_code=rc)
    planned(said, number, dc)
    assert look(cib).may_run_remotely("remote1", GUEST2) == may_run


@pytest.mark.usefixtures("departed")
def test_who_left_for_a_remote_node_that_has_no_record_may_run_there(cib: etree._Element) -> None:
    cibs.remove(cibs.history(cib, "remote1", GUEST2))
    cibs.state(cib, "remote1").set("in_ccm", "false")
    assert look(cib).may_run_remotely("remote1", GUEST2)


def test_guest_that_leaves_is_leaving_until_more_happens(cib: etree._Element) -> None:
    entry = cibs.history(cib, "host1", "prmVMCTL_guest2")
    cibs.add_operation(entry, "migrate_to", 9998)
    assert look(cib).histories["host1", "prmVMCTL_guest2"].is_leaving
    cibs.add_operation(entry, "stop", 9999)
    said = look(cib).histories["host1", "prmVMCTL_guest2"]
    assert not said.is_leaving
    assert said.call_id == 9999


@pytest.mark.parametrize(
    ("last", "added", "has_life"),
    [
        (("start", "0"), None, True),
        (("start", "1"), None, False),
        (("monitor", "0"), None, True),
        (("monitor", "190"), None, True),
        (("monitor", "1"), None, True),
        (("monitor", "7"), None, False),
        (("monitor", "5"), None, False),
        (("stop", "0"), None, False),
        (("stop", "1"), None, True),
        (("start", "0"), ("stop", 9999, 193), True),
        (("start", "0"), ("migrate_to", 9999, 193), True),
        (("start", "0"), ("migrate_to", 9999, 1), True),
        (("start", "0"), ("migrate_to", 9999, 0), False),
        (("monitor", "7"), ("migrate_from", 9999, 193), False),
        (("monitor", "7"), ("migrate_from", 9999, 0), True),
        (("stop", "0"), ("start", 9999, 193), False),
    ],
)
def test_pacemaker_has_a_life_that_began_and_was_not_stopped(
    cib: etree._Element,
    last: tuple[str, str],
    added: tuple[str, int, int] | None,
    has_life: bool,
) -> None:
    entry = cibs.history(cib, "host3", "prmVMCTL_guest2")
    del entry[:]
    cibs.add_operation(entry, last[0], 9000, int(last[1]))
    if added is not None:
        cibs.add_operation(entry, *added)
    history = look(cib).history("host3", "prmVMCTL_guest2")
    assert history is not None
    assert history.has_life == has_life


def test_entry_without_operations_is_missing(cib: etree._Element) -> None:
    entry = cibs.history(cib, "host3", "prmVMCTL_guest2")
    del entry[:]
    found = look(cib)
    assert found.history("host3", "prmVMCTL_guest2") is None
    assert found.may_run("host3", "prmVMCTL_guest2")
    assert is_so(cib, "host3", status_words.may_run("prmVMCTL_guest2"))


def test_targets_are_the_guards(cib: etree._Element) -> None:
    numbers = {name.removeprefix("prmVMCTL_guest") for name in look(cib).resources}
    # guest5 and 6 are of another provider, 7 to 9 run in clones and a bundle.
    assert numbers == {"1", "2", "3", "4", "10"}


def test_resources_are_as_crm_mon_says(cib: etree._Element) -> None:
    found = look(
        cib,
        instance("prmVMCTL_guest1"),
        instance("prmVMCTL_guest2", role="Stopped", target_role="Stopped", nodes=()),
        instance("prmVMCTL_guest3", role="Starting", managed=False),
    ).resources
    assert found["prmVMCTL_guest1"] == Resource(True, "Started", ("host2",))
    assert found["prmVMCTL_guest2"] == Resource(True, "Stopped", ())
    assert found["prmVMCTL_guest3"] == Resource(False, "Started", ())
    # Of this one crm_mon does not say that it is managed.
    assert not found["prmVMCTL_guest4"].managed


@pytest.mark.parametrize("value", ["true", "YES", "on", "y", "1"])
@pytest.mark.parametrize("name", ["maintenance-mode", "stop-all-resources"])
def test_maintenance(cib: etree._Element, name: str, value: str) -> None:
    cibs.add_option(cib, name, value)
    assert look(cib).maintenance


def test_maintenance_of_a_node(cib: etree._Element) -> None:
    pair = "/cib/configuration/nodes/node/instance_attributes/nvpair[@name='maintenance']"
    cibs.element(cib, pair).set("value", "true")
    assert look(cib).maintenance


def test_bans_and_what_is_none(cib: etree._Element) -> None:
    cibs.add_ban(cib, bans.to_xml(BAN))
    cibs.add_ban(cib, '<rsc_location id="vm-stonith-x" rsc="x" node="host1" score="1"/>')
    found = seen(cib)
    assert found.view.bans == {"prmVMCTL_guest2": BAN}
    assert found.complaints == ("vm-stonith-x is not of the form of a ban",)


def test_advice(cib: etree._Element) -> None:
    assert [text.split()[0] for text in seen(cib).warnings] == ["resource-stickiness"]
    for name in ("stonith-enabled", "cluster-recheck-interval"):
        cibs.add_option(cib, name, {"stonith-enabled": "False"}.get(name, "0min"))
    configuration = cibs.element(cib, "/cib/configuration")
    for section, name, value in (
        ("op_defaults", "record-pending", "no"),
        ("rsc_defaults", "resource-stickiness", "INFINITY"),
    ):
        pair = f'<nvpair id="{name}" name="{name}" value="{value}"/>'
        attributes = f'<meta_attributes id="{section}-options">{pair}</meta_attributes>'
        cibs.add(configuration, f"<{section}>{attributes}</{section}>")
    assert sorted(text.split()[0] for text in seen(cib).warnings) == [
        "cluster-recheck-interval",
        "record-pending",
        "stonith-enabled",
    ]


def test_definition_comes_from_the_primitive_or_its_template(cib: etree._Element) -> None:
    pair = '<instance_attributes id="{0}"><nvpair id="{0}n" name="config" value="{0}.xml"/>'
    template = cibs.element(cib, "//template[@id='tmpVM']")
    cibs.add(template, pair.format("t") + "</instance_attributes>")
    cibs.add(
        cibs.element(cib, "//primitive[@id='prmVMCTL_guest1']"),
        pair.format("p") + "</instance_attributes>",
    )
    configs = seen(cib).configs
    assert configs["prmVMCTL_guest1"].value == "p.xml"
    assert configs["prmVMCTL_guest4"].value == "t.xml"
    assert configs["prmVMCTL_guest2"].value == ""


def test_a_guest_that_is_configured_so_that_it_can_not_be_fenced_is_told(
    cib: etree._Element,
) -> None:
    cibs.add(
        cibs.element(cib, "//primitive[@id='prmVMCTL_guest1']"),
        '<operations id="os"><op id="o" name="start" interval="0s"><instance_attributes id="i">'
        '<nvpair id="n" name="config" value="/else.xml"/></instance_attributes></op></operations>',
    )
    expected = "prmVMCTL_guest1 can't be fenced: start may be given another config"
    assert expected in seen(cib).warnings


@pytest.mark.parametrize("document", ["", "<cib/>", "<cib><configuration/></cib>", "<crm_mon/>"])
def test_what_is_no_cib_is_no_empty_cluster(document: str) -> None:
    with pytest.raises(BadAnswerError):
        cib_parser.read(document, (), ())
