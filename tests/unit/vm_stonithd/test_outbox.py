# SPDX-License-Identifier: GPL-2.0-or-later
"""An answer waits for the report that says it, but not beyond its time."""

from __future__ import annotations

from daemons.vm_stonithd.machine.outbox import Outbox
from daemons.vm_stonithd.model.actions import Answer
from daemons.vm_stonithd.model.host_report import HostReport

FIRST, SECOND = HostReport(1.0), HostReport(2.0)


def test_an_answer_without_a_report_before_it_goes_at_once() -> None:
    outbox = Outbox()
    answer = Answer(1, "NG no quorum", by=9.0)
    outbox.hold(answer)
    assert outbox.due(0.0) == [answer]
    assert outbox.due(0.0) == []


def test_an_answer_waits_for_its_report_or_a_later_one() -> None:
    outbox = Outbox()
    outbox.say(FIRST)
    early, late = Answer(1, "OK", by=9.0), Answer(2, "OK", by=9.0)
    outbox.hold(early)
    outbox.say(SECOND)
    outbox.hold(late)
    assert outbox.due(1.0) == []
    outbox.take(1)
    assert outbox.due(1.0) == [early]
    outbox.take(2)
    assert outbox.due(1.0) == [late]
    assert (outbox.report, outbox.number) == (SECOND, 2)


def test_an_answer_does_not_wait_beyond_its_time() -> None:
    outbox = Outbox()
    outbox.say(FIRST)
    late, soon = Answer(1, "OK", by=9.0), Answer(2, "OK", by=5.0)
    outbox.hold(late)
    outbox.hold(soon)
    assert outbox.due(5.0) == [soon]
    assert outbox.due(9.0) == [late]
