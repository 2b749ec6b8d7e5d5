# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault table on real hosts: each promise is checked by name, whatever the answer."""

from __future__ import annotations

import json
import os

import pytest

from pmkvm.errors import HaError
from tests.lab import sample
from tests.lab.cluster import stonith
from tests.lab.cluster.cib import location, primitive
from tests.lab.faults import fault_acts, fault_course, faults, fence_promises
from tests.lab.faults.fault_course import BYSTANDER, Course
from tests.lab.faults.fence_watch import Watch
from tests.lab.guests.lives import Lives
from tests.lab.hosts.process import CHECKOUT
from tests.measurements import condense, origin, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.faults.faults import Cell
    from tests.lab.faults.fence_promises import Story
    from tests.lab.guests.pair import Pair
    from tests.lab.lab import Lab

# Of an everyday run.
SAMPLE_S = 90.0
STOPPED = ("-p", "target-role", "-v", "Stopped")
RECORD = os.path.join(CHECKOUT, "build", "fence-faults.jsonl")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All cells, those that have not held yet, or as many as there is time for."""
    if "cell" not in metafunc.fixturenames:
        return
    option, drawn = metafunc.config.getoption, sample.seed(metafunc.config)
    if option("--lab-full"):
        done = sample.held(RECORD) if option("--lab-resume") else set[str]()
        chosen = [cell for cell in faults.shuffled(drawn) if cell.name not in done]
    else:
        chosen = faults.sample(drawn, SAMPLE_S)
    metafunc.parametrize("cell", chosen, ids=[cell.name for cell in chosen])


@pytest.fixture(scope="module")
def strangers(lab: Lab) -> Iterator[Callable[[Pair], None]]:
    """Has a stranger beside the target, and the target where no move is needed after a fence."""

    def ensure(pair: Pair) -> None:
        if not lab.status().find(BYSTANDER):
            lab.cluster.add(
                primitive(BYSTANDER),
                location("bystander-home", BYSTANDER, faults.TARGET, "100"),
                location("target-home", pair.target.resource, faults.TARGET, "500"),
            )
        lab.cluster.wait_running(BYSTANDER)

    yield ensure
    for path in ("//rsc_location[@id='target-home']", "//rsc_location[@id='bystander-home']"):
        lab.cluster.speaker().run(["cibadmin", "--delete", "--xpath", path])
    lab.cluster.speaker().run(["crm_resource", "--meta", "-r", BYSTANDER, *STOPPED])
    lab.cluster.wait_stopped(BYSTANDER)
    lab.cluster.speaker().run(
        ["cibadmin", "--delete", "--xpath", f"//primitive[@id='{BYSTANDER}']"]
    )


@pytest.fixture
def shaken(pair: Pair, pairs: list[Pair], strangers: Callable[[Pair], None]) -> Iterator[Pair]:
    """The pair, mended after each cell and kept if that succeeds; the target at home on host2."""
    strangers(pair)
    yield pair
    try:
        fault_acts.mend(pair)
    except HaError as error:
        print(f"a new pair is needed: {error}")
        pairs.clear()
    else:
        pairs[:] = [pair]


def test_mending_lets_the_target_start_at_home_again(shaken: Pair) -> None:
    target, home = shaken.target, shaken.lab.host(faults.TARGET)
    shaken.place(home)
    count = f"fail-count-{target.resource}#start_0"
    home.must(["attrd_updater", "-n", count, "-U", "INFINITY", "-N", home.name])
    shaken.lab.cluster.wait_running(target.resource, faults.COORDINATOR)
    fault_acts.mend(shaken)
    shaken.place(home)


def test_fault(shaken: Pair, cell: Cell, record_property: Callable[[str, object], None]) -> None:
    pair, fault = shaken, cell.fault
    boot = pair.place(pair.lab.host(faults.TARGET))
    stonith.wait_ready(pair.lab)
    pair.lab.fencing.repair()
    act = fault_acts.prepare(pair, fault)
    with Lives(pair.lab.guests, pair.target.guest) as lives, Watch(pair) as watch:
        boots, bystander = pair.requester.counter.boots(), fault_course.bystander(pair)
        gave_up = fault_course.gave_up(pair.lab)
        course = Course(pair, cell, watch, lives, boots, bystander, boot, gave_up)
        story = fault_course.live_through(course, act)
    _tell(course, story, record_property)
    assert act.survives is None or act.survives.is_alive()
    assert fence_promises.broken(story) == [], story


def _tell(course: Course, story: Story, record_property: Callable[[str, object], None]) -> None:
    """A row in the summary, and in a file that outlives a run that is broken off."""
    hit = course.watch.hit
    where = "" if hit is None or hit.state is course.cell.state else f" (hit: {hit.state.value})"
    answer = story.answer or condense.NOBODY
    record_property("fence", (course.cell.name + where, answer, story.took_s))
    broken = fence_promises.broken(story)
    row = {
        "cell": course.cell.name,
        "hit": None if hit is None else hit.state.value,
        "hit_s": None if hit is None else round(hit.at_s - story.asked_s, 2),
        "ok_s": None if story.ok_s is None else round(story.ok_s - story.asked_s, 2),
        "answer": answer[:300],
        "took_s": round(story.took_s, 2),
        "back_s": None if story.back_s is None else round(story.back_s - story.asked_s, 1),
        "all_s": round(story.ended_s - story.asked_s, 1),
        "gone": sorted(story.gone),
        "lives": len(story.lives),
        "bans": len(story.bans),
        "broken": broken,
        "origin": origin.here(course.pair.lab.hosts[0]),
    }
    print(json.dumps(row))
    record.append(RECORD, row)
