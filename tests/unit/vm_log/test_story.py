# SPDX-License-Identifier: GPL-2.0-or-later
"""What only several lines say together, and what is not said twice."""

from __future__ import annotations

from check.vm_log.event import Event, Kind
from check.vm_log.story import Story

G = "prmVMCTL_guest1"


def told(*happened: Event) -> list[Event]:
    story = Story()
    return [tells for event in happened if (tells := story.take(event)) is not None]


def kinds(*happened: Event) -> list[Kind]:
    return [event.kind for event in told(*happened)]


def at(kind: Kind, host: str, resource: str = G, **fields: str) -> Event:
    return Event(kind, 1.0, "host1", resource=resource, host=host, **fields)


def of(kind: Kind, host: str) -> Event:
    return at(kind, host, "")


STARTED, LOST, JOINED = Kind.STARTED, Kind.HOST_LOST, Kind.HOST_JOINED


def test_a_start_elsewhere_after_a_loss_is_a_failover() -> None:
    *_, last = told(at(STARTED, "host2"), of(LOST, "host2"), at(STARTED, "host1"))
    assert (last.kind, last.origin, last.host) == (Kind.FAILOVER, "host2", "host1")


def test_a_start_is_none_where_the_log_does_not_say_what_was_lost() -> None:
    assert kinds(of(LOST, "host2"), at(STARTED, "host1"))[-1] is STARTED


def test_a_start_is_none_after_a_stop_and_after_the_host_came_back() -> None:
    was = at(STARTED, "host2")
    stopped = at(Kind.STOPPED, "host2")
    assert kinds(was, stopped, of(LOST, "host2"), at(STARTED, "host1"))[-1] is STARTED
    back = of(JOINED, "host2")
    assert kinds(was, of(LOST, "host2"), back, at(STARTED, "host1"))[-1] is STARTED


def test_an_instance_of_a_clone_fails_over_nowhere() -> None:
    both = [at(STARTED, "host1", "clone"), at(STARTED, "host2", "clone")]
    assert kinds(*both, of(LOST, "host2"), at(STARTED, "host1", "clone"))[-1] is STARTED


def test_a_host_that_was_told_to_leave_is_not_lost() -> None:
    leaving = of(Kind.HOST_LEAVING, "host2")
    assert kinds(leaving, leaving, of(LOST, "host2"), of(LOST, "host2")) == [
        Kind.HOST_LEAVING,
        Kind.HOST_LEFT,
    ]


def test_a_migration_is_one_event_at_the_dc_and_one_at_its_source() -> None:
    plan = at(Kind.PLANNED, "host2", origin="host1", operation="Migrate")
    sent, moved = at(Kind.SENT, "host1"), at(Kind.MOVED, "host2")
    *_, last = told(plan, sent, moved, at(Kind.STOPPED, "host1"))
    assert (last.kind, last.origin) == (Kind.MOVED, "host1")
    assert kinds(sent, at(Kind.STOPPED, "host1")) == [Kind.SENT]
    # The next stop there is one.
    assert kinds(sent, at(STARTED, "host1"), at(Kind.STOPPED, "host1"))[-1] is Kind.STOPPED
    # And where it went wrong, Pacemaker stops it at both ends.
    failed = at(Kind.FAILED, "host2", operation="migrate_from")
    assert kinds(plan, sent, failed, at(Kind.STOPPED, "host1"))[-1] is Kind.STOPPED


def failed(recorded: str = "", host: str = "host2") -> Event:
    return at(Kind.FAILED, host, operation="start", recorded=recorded)


def test_a_failure_is_told_once_however_often_the_dc_says_it() -> None:
    assert len(told(failed("8:00"), failed("8:00"))) == 1
    # Its own controller has said it first.
    assert len(told(failed(), failed("8:00"), failed("8:00"))) == 1
    # Another one, and the two in turn, as they stand in the CIB.
    two = [failed("8:00"), failed("9:00")]
    assert len(told(*two, *two, *two)) == 2
    assert len(told(failed("8:00"), failed("8:00", host="host1"))) == 2
    # Again, though the old one is known.
    assert len(told(failed("8:00"), failed(), failed("9:00"))) == 2


def test_a_plan_is_told_again_when_something_has_come_of_it() -> None:
    plan = at(Kind.PLANNED, "host1", operation="Recover")
    assert len(told(plan, plan)) == 1
    assert kinds(plan, at(STARTED, "host1"), plan).count(Kind.PLANNED) == 2
    # It says no more than the start will.
    assert told(at(Kind.PLANNED, "host1", operation="Start")) == []


def test_a_pacemaker_that_starts_knows_nothing() -> None:
    starts = of(Kind.PACEMAKER_STARTS, "")
    dc = of(Kind.DC, "host1")
    assert kinds(dc, dc, starts, dc).count(Kind.DC) == 2
    assert (
        kinds(at(STARTED, "host2"), of(LOST, "host2"), starts, at(STARTED, "host1"))[-1] is STARTED
    )


def test_how_long_a_fence_took_is_told_where_it_was_asked_for() -> None:
    asked = of(Kind.FENCE_ASKED, "host2")._replace(at=10.0)
    device = of(Kind.FENCE_DEVICE, "host2")._replace(device="ipmi", result="returned 0")
    done = of(Kind.FENCE_OK, "host2")._replace(at=12.5)
    *_, last = told(asked, device, done)
    assert (last.took_ms, last.device) == ("2500", "ipmi")
    assert told(done) == [done]
    # A clock that was set back.
    *_, last = told(asked, done._replace(at=9.0))
    assert last.took_ms == "0"
