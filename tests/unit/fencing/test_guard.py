# SPDX-License-Identifier: GPL-2.0-or-later
"""The create guard: a CIB that passes, and the same CIB with one condition broken."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from pmkvm.fencing import ban, guard
from tests.unit.fencing import cibs
from tests.unit.fencing.cibs import add, add_ban, add_operation, add_option, history, last, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml import etree

    Breaking = Callable[[etree._Element, str], None]

GUEST1, TARGET = "prmVMCTL_guest1", "prmVMCTL_guest2"
UUID = "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"
BAN = ban.Ban(TARGET, "reset", "9c41d7e02b6f5a13", GUEST1, "5be0cd19137e2179", "host1", UUID, 1700)

CALL = guard.Histories(21, (("host1", 31), ("host2", 18)))
# For any target.
LATE = guard.Histories(99, (("host1", 99), ("host2", 99)))


def of(target: str, requester: str = GUEST1) -> ban.Ban:
    return BAN._replace(resource=target, requester=requester)


def is_broken(cib: etree._Element, target: str = TARGET, requester: str = GUEST1) -> set[str]:
    """The conditions of the guard that do not hold in this CIB."""
    root = cib.getroottree()
    conditions = guard.conditions(of(target, requester), CALL if target == TARGET else LATE)
    return {
        name
        for name, condition in conditions.items()
        if not root.xpath(f"boolean(/cib[{condition}])")
    }


def is_created(
    cib: etree._Element,
    wanted: ban.Ban = BAN,
    read: guard.Histories = CALL,
    replaced: ban.Ban | None = None,
) -> bool:
    return cibs.matches(cib, guard.create(guard.Creation(wanted, read, replaced)))


def not_in_ccm(cib: etree._Element, version: str) -> None:
    state(cib, "host2").set("in_ccm", cibs.NO[version][0])


def not_in_crmd(cib: etree._Element, version: str) -> None:
    state(cib, "host2").set("crmd", cibs.NO[version][1])


def lost(cib: etree._Element, version: str) -> None:
    not_in_ccm(cib, version)
    not_in_crmd(cib, version)
    state(cib, "host2").set("join", "down")


def quorum_unknown(cib: etree._Element, _version: str) -> None:
    del cib.attrib["have-quorum"]


def setting(host: str, name: str, value: str | None) -> Breaking:
    def change(cib: etree._Element, _version: str) -> None:
        if value is None:
            del state(cib, host).attrib[name]
        else:
            state(cib, host).set(name, value)

    return change


def unknown_node(cib: etree._Element, _version: str) -> None:
    nodes = cibs.element(cib, "/cib/configuration/nodes")
    add(nodes, '<node id="9" uname="host9"/>')


def option(name: str, value: str) -> Breaking:
    return lambda cib, _version: add_option(cib, name, value)


def node_maintenance(cib: etree._Element, _version: str) -> None:
    cibs.element(cib, "//nvpair[@id='nodes-2-maintenance']").set("value", "True")


def transient_maintenance(cib: etree._Element, _version: str) -> None:
    attributes = cibs.element(cib, "//node_state[@uname='host1']//instance_attributes")
    add(attributes, '<nvpair id="status-1-maintenance" name="maintenance" value="on"/>')


def changed_last(attribute: str, value: str, on: str = "host3") -> Breaking:
    return lambda cib, _version: last(cib, on, TARGET).set(attribute, value)


def requester_stopped(cib: etree._Element, _version: str) -> None:
    cibs.set_all(last(cib, "host1", GUEST1), operation="stop", call_id="22")


def joined(cib: etree._Element, _version: str) -> None:
    for name in ("in_ccm", "crmd", "join", "expected"):
        state(cib, "host4").set(name, str(state(cib, "host1").get(name)))


def operation(name: str, call_id: int, rc: int = 0, on: str = "host3") -> Breaking:
    return lambda cib, _version: add_operation(history(cib, on, TARGET), name, call_id, rc)


def half_pending(attribute: str, value: str) -> Breaking:
    def change(cib: etree._Element, _version: str) -> None:
        add_operation(history(cib, "host3", TARGET), "migrate_to", 3)
        history(cib, "host3", TARGET)[-1].set(attribute, value)

    return change


def live_migrated(cib: etree._Element, _version: str) -> None:
    """monitor 7 in _last_0 beside a later migrate_from: it runs there."""
    cibs.set_all(last(cib, "host3", TARGET), operation="monitor", rc_code="7")
    arrival = cibs.element(cib, f"//node_state[@uname='host3']//*[@id='{TARGET}_migrate_from_0']")
    arrival.set("call-id", "23")


def on_the_remote_node(name: str, rc: int) -> Breaking:
    """What Pacemaker's record says last of the target there."""

    return lambda cib, _version: cibs.set_all(
        last(cib, "remote1", TARGET), operation=name, rc_code=str(rc)
    )


def remote_not_probed(cib: etree._Element, _version: str) -> None:
    cibs.remove(history(cib, "remote1", TARGET)[0])


def remote_lost(cib: etree._Element, version: str) -> None:
    """Not fenced yet."""
    on_the_remote_node("start", 0)(cib, version)
    state(cib, "remote1").set("in_ccm", cibs.NO[version][0])


BROKEN: list[tuple[str, str, Breaking]] = [
    ("quorum lost", "quorum", lambda cib, _: cib.set("have-quorum", "0")),
    ("quorum unknown", "quorum", quorum_unknown),
    ("joining", "hosts", setting("host2", "join", "pending")),
    ("join unknown", "hosts", setting("host2", "join", None)),
    ("leaving", "hosts", setting("host2", "expected", "down")),
    ("expected unknown", "hosts", setting("host2", "expected", None)),
    ("Pacemaker gone", "hosts", not_in_crmd),
    ("crmd unknown", "hosts", setting("host2", "crmd", None)),
    ("corosync gone", "hosts", not_in_ccm),
    ("in_ccm unknown", "hosts", setting("host2", "in_ccm", None)),
    ("lost, not fenced", "hosts", lost),
    ("down but expected", "hosts", setting("host3", "expected", "member")),
    ("down but joined", "hosts", setting("host3", "join", "member")),
    ("down, crmd unknown", "hosts", setting("host3", "crmd", None)),
    ("no node_state", "hosts", lambda cib, _: cibs.remove(state(cib, "host4"))),
    ("node never seen", "hosts", unknown_node),
    ("state of no known node", "states", setting("host2", "join", "pending")),
    ("missing on DOWN", "may run", lambda cib, _: cibs.remove(history(cib, "host3", TARGET))),
    ("last is a start", "may run", changed_last("operation", "start")),
    ("stop failed", "may run", changed_last("rc-code", "1")),
    ("pending by rc-code", "may run", half_pending("rc-code", "193")),
    ("pending by op-status", "may run", half_pending("op-status", "-1")),
    ("pending stop", "may run", operation("stop", 40, 193)),
    ("migrated there later", "may run", operation("migrate_from", 40)),
    ("monitor 7 lies", "may run", live_migrated),
    ("runs on a remote node", "may run remotely", on_the_remote_node("start", 0)),
    ("found on a remote node", "may run remotely", on_the_remote_node("monitor", 0)),
    ("stop failed on a remote node", "may run remotely", on_the_remote_node("stop", 1)),
    ("under way on a remote node", "may run remotely", on_the_remote_node("monitor", 193)),
    ("migrated to a remote node", "may run remotely", operation("migrate_from", 40, on="remote1")),
    ("remote node not probed yet", "may run remotely", remote_not_probed),
    ("remote node lost with it", "may run remotely", remote_lost),
    ("maintenance-mode", "maintenance", option("maintenance-mode", "true")),
    ("maintenance-mode yes", "maintenance", option("maintenance-mode", "Yes")),
    ("maintenance-mode ON", "maintenance", option("maintenance-mode", "ON")),
    ("maintenance-mode y", "maintenance", option("maintenance-mode", "y")),
    ("maintenance-mode 1", "maintenance", option("maintenance-mode", "1")),
    ("stop-all-resources", "maintenance", option("stop-all-resources", "true")),
    ("node in maintenance", "node maintenance", node_maintenance),
    ("transient maintenance", "transient maintenance", transient_maintenance),
    ("ban on the target", "no ban on the target", lambda cib, _: add_ban(cib, ban.to_xml(BAN))),
    ("target stopped since", "target unchanged", changed_last("call-id", "32", "host1")),
    ("target has moved since", "target unchanged", changed_last("call-id", "19", "host2")),
    ("target being started since", "nothing begun", operation("start", -1, 193, "host1")),
    ("target being moved since", "nothing begun", operation("migrate_to", -1, 193, "host2")),
    ("joined since", "no new member", joined),
    ("requester stopped since", "requester unchanged", requester_stopped),
    (
        "ban on the requester",
        "no ban on the requester",
        lambda cib, _: add_ban(cib, ban.to_xml(of(GUEST1, TARGET))),
    ),
]


@pytest.mark.parametrize(("name", "breaking"), [pytest.param(w, b, id=i) for i, w, b in BROKEN])
def test_one_broken_condition_refuses(
    cib: etree._Element, version: str, name: str, breaking: Breaking
) -> None:
    assert is_created(cib)
    assert is_broken(cib) == set()
    breaking(cib, version)
    assert name in is_broken(cib)
    # A node_state that is neither OK nor DOWN breaks two conditions, of which one would do.
    assert is_broken(cib) <= {name, "hosts", "states"}
    assert not is_created(cib)


@pytest.mark.parametrize("rc", ["5", "7"])
def test_a_remote_node_without_the_target_is_no_obstacle(cib: etree._Element, rc: str) -> None:
    last(cib, "remote1", TARGET).set("rc-code", rc)
    assert is_broken(cib) == set()


def test_a_remote_node_that_is_down_and_has_no_record_is_no_obstacle(
    cib: etree._Element, version: str
) -> None:
    """Such as a guest that is a node, is stopped, and was never probed for a newer guest."""
    remote_not_probed(cib, version)
    state(cib, "remote1").set("in_ccm", cibs.NO[version][0])
    assert is_broken(cib) == set()


def test_every_condition_has_a_test() -> None:
    assert set(guard.conditions(BAN, CALL)) == {name for _, name, _ in BROKEN} | {"target"}


@pytest.mark.parametrize(
    ("number", "is_target"),
    [
        pytest.param(2, True, id="plain"),
        pytest.param(3, True, id="in a group"),
        pytest.param(4, True, id="by a template"),
        pytest.param(5, False, id="by another template"),
        pytest.param(6, False, id="heartbeat's"),
        pytest.param(7, False, id="in a clone"),
        pytest.param(8, False, id="in a cloned group"),
        pytest.param(9, False, id="in a bundle"),
        pytest.param(10, True, id="an id that begins like another"),
        pytest.param(11, False, id="unknown"),
    ],
)
def test_targets(cib: etree._Element, number: int, is_target: bool) -> None:
    target = f"prmVMCTL_guest{number}"
    wrong = is_broken(cib, target)
    assert ("target" not in wrong) == is_target
    if is_target:
        assert is_created(cib, of(target), LATE)


@pytest.mark.parametrize("value", ["false", "off", "no", "n", "0", "FALSE", ""])
def test_what_is_switched_off_is_no_maintenance(cib: etree._Element, value: str) -> None:
    add_option(cib, "maintenance-mode", value)
    assert is_created(cib)


def test_a_fenced_host_and_a_remote_node_do_not_matter(cib: etree._Element) -> None:
    assert not state(cib, "host4").findall("lrm")
    assert state(cib, "remote1").get("join") is None
    assert is_created(cib)


def test_the_second_of_two_mutual_fences_is_refused(cib: etree._Element) -> None:
    mine, other = of(TARGET, GUEST1), of(GUEST1, TARGET)._replace(coordinator="host2")
    assert is_created(cib, mine)
    assert is_created(cib, other, LATE)
    add_ban(cib, ban.to_xml(mine))
    assert not is_created(cib, other, LATE)


GUEST3, GUEST4 = "prmVMCTL_guest3", "prmVMCTL_guest4"


def several(*pairs: tuple[str, str]) -> list[guard.Creation]:
    return [guard.Creation(of(target, requester), LATE) for target, requester in pairs]


def test_several_bans_are_written_under_the_guards_of_all(cib: etree._Element) -> None:
    wanted = several((TARGET, GUEST1), (GUEST3, GUEST1), (GUEST4, GUEST1))
    write = guard.create(*wanted)
    assert cibs.matches(cib, write)
    assert ban.find_all(write.xml) == ([each.ban for each in wanted], [])
    for each in wanted:
        there = copy.deepcopy(cib)
        add_ban(there, ban.to_xml(each.ban))
        assert not cibs.matches(there, write)
    assert not cibs.matches(cib, guard.create(*wanted[:2], *several(("prmVMCTL_guest6", GUEST1))))


def test_what_all_guards_say_is_said_once(cib: etree._Element) -> None:
    one, more = several((TARGET, GUEST1)), several((TARGET, GUEST1), (GUEST3, GUEST1))
    xpath = guard.create(*more).xpath
    assert xpath.count("have-quorum") == 1
    assert len(xpath) < 2 * len(guard.create(*one).xpath)
    assert cibs.matches(cib, guard.create(*more))


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([(TARGET, GUEST1), (GUEST1, TARGET)], id="each other"),
        pytest.param([(TARGET, GUEST1), (GUEST3, TARGET)], id="a chain"),
        pytest.param([(GUEST3, TARGET), (TARGET, GUEST1)], id="a chain, the other way"),
        pytest.param([(TARGET, GUEST1), (TARGET, GUEST3)], id="the same target"),
        pytest.param([(TARGET, GUEST1), (GUEST3, GUEST4), (GUEST4, GUEST1)], id="among three"),
    ],
)
def test_bans_that_could_refuse_each_other_are_not_written_together(
    pairs: list[tuple[str, str]],
) -> None:
    """All are judged on the CIB in which none of them stands (P4)."""
    with pytest.raises(ValueError, match="about the other's guests"):
        guard.create(*several(*pairs))


def test_a_settle_ban_is_rewritten_and_only_the_one_that_was_read(cib: etree._Element) -> None:
    settle = BAN._replace(
        operation="settle", id="77", requester="", request="", coordinator="host2"
    )
    add_ban(cib, ban.to_xml(settle))
    assert not is_created(cib)
    assert is_created(cib, replaced=settle)
    assert not is_created(cib, replaced=settle._replace(id="78"))
    assert not is_created(cib, replaced=settle._replace(end=1701))


def test_the_expression_grows_with_the_members_and_no_faster() -> None:
    many = guard.Histories(1, tuple((f"host{number}", 1) for number in range(32)))
    assert len(guard.create(guard.Creation(BAN, CALL)).xpath) < 5000
    assert len(guard.create(guard.Creation(BAN, many)).xpath) < 12000


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a b", "", "a]b", "a\nb", "a<b", "a&b", "../a"])
def test_an_id_that_would_leave_its_quotes_is_refused(name: str) -> None:
    writes: list[Callable[[], guard.Write]] = [
        lambda: guard.create(guard.Creation(of(name), CALL)),
        lambda: guard.create(guard.Creation(of(TARGET, name), CALL)),
        lambda: guard.forget_history("host1", name),
    ]
    for write in writes:
        with pytest.raises(ValueError, match="can't be an id"):
            write()
