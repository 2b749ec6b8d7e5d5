# SPDX-License-Identifier: GPL-2.0-or-later
"""The guarded writes on CIBs as Pacemaker 2.1.5 and 3.0.0 wrote them in the lab."""

from __future__ import annotations

import pytest
from lxml import etree

from pmkvm.fencing import ban, guard
from tests.unit.fencing import cibs

GUEST1, GUEST2 = "prmVMCTL_guest1", "prmVMCTL_guest2"
FRESH = guard.Histories(999, (("host1", 999), ("host2", 999)), frozenset({"host1", "host2"}))


def load(name: str) -> etree._Element:
    return etree.fromstring((cibs.DATA / f"captured-{name}.xml").read_bytes())


def fence(target: str, requester: str) -> ban.Ban:
    return ban.Ban(target, "reset", "9c41d7e02b6f5a13", requester, "5be0", "host1", "uuid", 1700)


@pytest.mark.parametrize("name", ["migrated-2.1", "fenced-2.1", "starting-3.0", "migrated-3.0"])
def test_a_fence_may_start_on_a_healthy_cluster(name: str) -> None:
    cib = load(name)
    for target, requester in ((GUEST1, GUEST2), (GUEST2, GUEST1)):
        assert cibs.matches(cib, guard.create(guard.Creation(fence(target, requester), FRESH)))
        cibs.add_ban(cib, ban.to_xml(fence(target, requester)))
        assert not cibs.matches(cib, guard.create(guard.Creation(fence(requester, target), FRESH)))
        cib = load(name)


@pytest.mark.parametrize("name", ["migrated-2.1", "migrated-3.0"])
def test_monitor_7_after_a_live_migration_is_no_record(name: str) -> None:
    cib = load(name)
    arrived = cibs.last(cib, "host2", GUEST2)
    assert (arrived.get("operation"), arrived.get("rc-code")) == ("monitor", "7")
    cibs.add_ban(cib, ban.to_xml(fence(GUEST2, GUEST1)))
    assert not cibs.matches(cib, guard.remove(fence(GUEST2, GUEST1)))


def test_a_start_under_way_is_no_record() -> None:
    cib = load("starting-3.0")
    assert cibs.last(cib, "host1", GUEST1).get("rc-code") == "193"
    cibs.add_ban(cib, ban.to_xml(fence(GUEST1, GUEST2)))
    assert not cibs.matches(cib, guard.remove(fence(GUEST1, GUEST2)))


def test_a_start_that_was_not_read_refuses_a_fence() -> None:
    """It is written down before the agent is called, so a late write meets it."""
    creation = guard.Creation(fence(GUEST1, GUEST2), FRESH._replace(busy=frozenset({"host2"})))
    assert not cibs.matches(load("starting-3.0"), guard.create(creation))


def test_what_was_stopped_is_recorded_and_a_fenced_host_has_no_history() -> None:
    cib = load("fenced-2.1")
    assert cibs.state(cib, "host2").find("lrm") is None
    cibs.add_ban(cib, ban.to_xml(fence(GUEST1, GUEST2)))
    assert cibs.matches(cib, guard.remove(fence(GUEST1, GUEST2)))
