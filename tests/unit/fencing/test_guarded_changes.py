# SPDX-License-Identifier: GPL-2.0-or-later
"""What ends, renews, takes over and settles a ban: each refused when one condition is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.fencing import ban, guard
from tests.unit.fencing import cibs
from tests.unit.fencing.cibs import add_ban, add_operation, last
from tests.unit.fencing.test_guard import BAN, GUEST1, TARGET, of

if TYPE_CHECKING:
    from lxml import etree


def stopped(cib: etree._Element, host: str = "host2", rc: int = 0) -> etree._Element:
    """Pacemaker has recorded a stop of the target there."""
    cibs.set_all(last(cib, host, TARGET), operation="stop", rc_code=str(rc), call_id="50")
    return cib


def test_a_ban_goes_once_the_stop_is_recorded(cib: etree._Element) -> None:
    add_ban(cib, ban.to_xml(BAN))
    assert not cibs.matches(cib, guard.remove(BAN))
    assert cibs.matches(stopped(cib), guard.remove(BAN))


@pytest.mark.parametrize("rc", [0, 1, 5, 198])
def test_a_stop_is_a_record_whatever_its_result(cib: etree._Element, rc: int) -> None:
    add_ban(stopped(cib, rc=rc), ban.to_xml(BAN))
    assert cibs.matches(cib, guard.remove(BAN))


@pytest.mark.parametrize(
    ("operation", "rc", "goes"),
    [
        *(("monitor", "7", True), ("monitor", "5", True), ("monitor", "0", False)),
        *(("monitor", "1", False), ("start", "0", False), ("start", "1", False)),
    ],
)
def test_what_is_a_record(cib: etree._Element, operation: str, rc: str, goes: bool) -> None:
    add_ban(stopped(cib), ban.to_xml(BAN))
    cibs.set_all(last(cib, "host2", TARGET), operation=operation, rc_code=rc)
    assert cibs.matches(cib, guard.remove(BAN)) == goes


@pytest.mark.parametrize(("name", "call", "rc"), [("migrate_from", 60, 0), ("migrate_to", 3, 193)])
def test_what_comes_after_a_record_takes_its_place(
    cib: etree._Element, name: str, call: int, rc: int
) -> None:
    add_ban(stopped(cib), ban.to_xml(BAN))
    assert cibs.matches(cib, guard.remove(BAN))
    add_operation(cibs.history(cib, "host1", TARGET), name, call, rc)
    assert not cibs.matches(cib, guard.remove(BAN))


def test_a_missing_entry_does_not_keep_a_ban(cib: etree._Element) -> None:
    add_ban(stopped(cib), ban.to_xml(BAN))
    del cibs.history(cib, "host2", TARGET)[:]
    assert cibs.matches(cib, guard.remove(BAN))


def test_only_the_ban_that_was_meant_goes(cib: etree._Element) -> None:
    add_ban(stopped(cib), ban.to_xml(BAN))
    for other in (BAN._replace(id="1"), BAN._replace(coordinator="host2"), of(GUEST1)):
        assert not cibs.matches(cib, guard.remove(other))
        assert not cibs.matches(cib, guard.remove_expired(other))
        assert not cibs.matches(cib, guard.rewrite(other, BAN))


def test_an_expired_ban_goes_by_its_end_and_without_a_record(cib: etree._Element) -> None:
    add_ban(cib, ban.to_xml(BAN))
    assert cibs.matches(cib, guard.remove_expired(BAN))
    assert not cibs.matches(cib, guard.remove_expired(BAN._replace(end=BAN.end + 60)))


def test_a_renewal_is_guarded_on_the_value_alone(cib: etree._Element) -> None:
    add_ban(cib, ban.to_xml(BAN))
    write = guard.rewrite(BAN._replace(end=1), BAN._replace(end=99))
    assert cibs.matches(cib, write)
    assert "1970-01-01T00:01:39Z" in write.xml


def test_a_new_requester_must_not_be_under_a_ban(cib: etree._Element) -> None:
    add_ban(cib, ban.to_xml(BAN))
    new = BAN._replace(operation="off", requester="prmVMCTL_guest3")
    assert cibs.matches(cib, guard.rewrite(BAN, new))
    add_ban(cib, ban.to_xml(of("prmVMCTL_guest3")))
    assert not cibs.matches(cib, guard.rewrite(BAN, new))
    # The same requester takes over; nothing of his is new.
    assert cibs.matches(cib, guard.rewrite(BAN, BAN._replace(coordinator="host2")))


SETTLE = BAN._replace(
    resource="prmVMCTL_guest10", operation="settle", requester="", request="", coordinator="host1"
)
GUEST10 = SETTLE.resource


def settled_elsewhere(cib: etree._Element) -> etree._Element:
    entries = cibs.element(cib, "//node_state[@uname='host2']/lrm/lrm_resources")
    cibs.add(
        entries,
        f'<lrm_resource id="{GUEST10}"><lrm_rsc_op id="{GUEST10}_last_0" operation="monitor"'
        ' call-id="7" rc-code="7" op-status="0" interval="0"/></lrm_resource>',
    )
    return cib


def test_a_settle_is_written_for_a_dead_guest_and_never_stops_a_fresh_start(
    cib: etree._Element,
) -> None:
    assert cibs.matches(settled_elsewhere(cib), guard.settle(SETTLE, "host1", 14))
    assert not cibs.matches(cib, guard.settle(SETTLE, "host1", 13))
    cibs.set_all(last(cib, "host2", GUEST10), operation="start", rc_code="0")
    assert not cibs.matches(cib, guard.settle(SETTLE, "host1", 14))


@pytest.mark.parametrize("condition", ["quorum", "ban", "ended", "pending", "missing", "elsewhere"])
def test_a_settle_with_one_condition_broken(cib: etree._Element, condition: str) -> None:
    if condition != "elsewhere":
        settled_elsewhere(cib)
    if condition == "quorum":
        cib.set("have-quorum", "0")
    if condition == "ban":
        add_ban(cib, ban.to_xml(of(GUEST10)))
    if condition == "ended":
        last(cib, "host1", GUEST10).set("rc-code", "7")
    entry = cibs.history(cib, "host1", GUEST10)
    if condition == "pending":
        add_operation(entry, "stop", 20, 193)
    if condition == "missing":
        entry.clear()
    assert not cibs.matches(cib, guard.settle(SETTLE, "host1", 14))


def test_a_settle_takes_the_place_of_an_expired_ban(cib: etree._Element) -> None:
    expired = of(GUEST10)
    add_ban(settled_elsewhere(cib), ban.to_xml(expired))
    assert cibs.matches(cib, guard.settle(SETTLE, "host1", 14, expired))
    assert not cibs.matches(cib, guard.settle(SETTLE, "host1", 14, expired._replace(end=1)))


def test_what_cibadmin_is_told() -> None:
    modify, delete = guard.create(guard.Creation(BAN, guard.Histories(21, ()))), guard.remove(BAN)
    assert modify.argv()[:3] == ("cibadmin", "--modify", "--xpath")
    assert modify.argv()[4] == "--xml-text"
    assert delete.argv() == ("cibadmin", "--delete", "--xpath", delete.xpath)
