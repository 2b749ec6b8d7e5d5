# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest fences another in every situation: the answer, its time, and what is left behind."""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

from tests.lab import sample
from tests.lab.cluster import stonith
from tests.lab.faults import fence_cells
from tests.lab.faults.situations import End, matches, wait_until
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.lab.faults.fence_cells import Cell
    from tests.lab.guests.fencing_guest import Answered
    from tests.lab.guests.pair import Pair

IDLE_ANSWERS = {"status": r"OK|ON|^$", "list": r"guest2"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All cells, or a tenth that is another one for each commit and the same for one."""
    option = metafunc.config.getoption
    hosts = int(option("--lab-hosts"))
    if option("--lab-full"):
        chosen = fence_cells.cells(hosts)
    else:
        chosen = fence_cells.sample(hosts, sample.seed(metafunc.config))
    metafunc.parametrize("cell", chosen, ids=[cell.name for cell in chosen])


@contextlib.contextmanager
def _monitored(pair: Pair, cell: Cell) -> Iterator[None]:
    """The target's monitor is as the cell wants it, and for others as it was."""
    if not cell.on_fail:
        yield
        return
    pair.target.set_operation("monitor-10s", interval="1s", on_fail=cell.on_fail)
    try:
        yield
    finally:
        pair.target.set_operation("monitor-10s", interval="10s", on_fail="restart")


class Before(NamedTuple):
    """What a fence is measured against."""

    role: str
    boot: str
    requester_boots: list[str]
    began_s: float


def test_fence(pair: Pair, cell: Cell, record_property: Callable[[str, object], None]) -> None:
    situation = cell.situation
    with (
        _monitored(pair, cell),
        Lives(pair.lab.guests, pair.target.guest) as lives,
        situation.enter(pair),
    ):
        before = _before(pair)
        asking = pair.ask(
            cell.operation,
            through=cell.through,
            timeout_s=situation.timeout_s,
            resource=situation.resource or pair.target.resource,
        )
        if situation.loses_host:
            pair.lab.hosts[1].kill()
        answered = asking.answered()
        record_property("fence", (cell.name, answered.text, answered.took_s))
        _judge(pair, cell, answered, before, lives)
        role = _settle(pair, cell, before)
    assert pair.leftovers(role, before.requester_boots) == []


def _before(pair: Pair) -> Before:
    counter = pair.target.counter
    role = stonith.role(pair.lab, pair.target.resource) or "Started"
    return Before(role, counter.boot() or "", pair.requester.counter.boots(), time.time())


def _judge(pair: Pair, cell: Cell, answered: Answered, before: Before, lives: Lives) -> None:
    """The answer, and what it claims."""
    situation = cell.situation
    if cell.operation not in ("reset", "off"):
        assert answered.is_ok, answered
        assert matches(IDLE_ANSWERS.get(cell.operation, "OK|ON|^$"), answered.text), answered
        return
    if situation.answer:
        assert not answered.is_ok, answered
        assert matches(situation.answer, answered.text), answered
        assert pair.target.counter.is_ticking()
        assert pair.target.counter.boot() == before.boot
        return
    assert answered.is_ok, answered
    proven = [one for one in pair.proven() if one.at_s > before.began_s]
    assert len(proven) == 1, proven
    assert lives.outlived(before.began_s, proven[0].at_s) == []
    if situation.loses_host:
        wait_until(lambda: bool(pair.lab.fencing.events()), "the host's fencing in the log")
        assert [event[1:] for event in pair.lab.fencing.events()] == [("reboot", "host2", "OK")]
        assert pair.lab.fencing.events()[0].time <= proven[0].at_s


def _settle(pair: Pair, cell: Cell, before: Before) -> str:
    """What was fenced is back, what was switched off is switched on. Gives target-role's value."""
    if cell.situation.loses_host:
        pair.lab.fencing.repair()
    if cell.operation == "off" and not cell.situation.answer:
        assert stonith.role(pair.lab, pair.target.resource) == "Stopped"
        pair.lab.cluster.wait_stopped(pair.target.resource)
        assert pair.target.hosts() == []
        answered = pair.answer("on")
        if cell.situation.end is End.STAYS_STOPPED:
            # An administrator had stopped it before the off, and starts it: only the ban is left.
            assert "no off has written that" in answered.text, answered
            name = pair.target.guest.name
            pair.target.vm_ctl("resource", "start", name, "--no-wait")
            answered = pair.answer("on")
        assert answered.is_ok, answered
        pair.returned(before.boot)
        return "Started"
    if cell.operation == "reset" and cell.situation.end is End.RETURNS:
        pair.returned(before.boot)
    if cell.situation.end is End.STAYS_STOPPED:
        assert pair.target.hosts() == []
    assert not pair.target.counter.is_going_back()
    return before.role
