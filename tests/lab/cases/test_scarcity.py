# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host and its processes lack for 15 s, at a moment of a fence and of each agent's action:
promises hold, no host is fenced, and all recovers by itself. A row for each cell."""

from __future__ import annotations

import json
import os
import time

import pytest

from pmkvm.errors import HaError
from tests.lab import sample
from tests.lab.cluster import stonith
from tests.lab.faults import fault_acts, fence_promises, scarcity, scarcity_judge, scarcity_setting
from tests.lab.faults.gate import Gate
from tests.lab.faults.scarcity import Fence
from tests.lab.faults.scarcity_acts import Act, Spell
from tests.lab.faults.scarcity_course import act_through, fence_through
from tests.lab.faults.scarcity_limits import Agents, Needs, of_daemon
from tests.lab.faults.scarcity_paths import of_path
from tests.lab.guests.pair import Pair
from tests.lab.hosts.process import CHECKOUT
from tests.measurements import origin, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.faults.scarcity import Cell
    from tests.lab.faults.scarcity_scene import Scene
    from tests.lab.lab import Lab

RECORD = os.path.join(CHECKOUT, "build", "scarcity.jsonl")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All cells, those that have not held yet, or as many as there is time for."""
    if "cell" not in metafunc.fixturenames:
        return
    option, chosen = metafunc.config.getoption, scarcity.shuffled(sample.seed(metafunc.config))
    if not option("--lab-full"):
        chosen = chosen[: scarcity.SAMPLED]
    elif option("--lab-resume"):
        done = sample.held(RECORD)
        chosen = [cell for cell in chosen if cell.name not in done]
    metafunc.parametrize("cell", chosen, ids=[cell.name for cell in chosen])


@pytest.fixture(scope="module")
def gate(lab: Lab) -> Iterator[Gate]:
    made = Gate(lab)
    made.install()
    yield made
    for host in lab.hosts:
        if not host.is_alive():
            lab.boot(host)
    made.remove()


@pytest.fixture(scope="module")
def scenes(pairs: list[Pair]) -> Iterator[list[Scene]]:
    """The scene, once it is made. What it has more than the pair goes when the module is over."""
    made: list[Scene] = []
    yield made
    try:
        for scene in made:
            scenery = scene if pairs == [scene.pair] else None
            if scenery is not None:
                scarcity_setting.strike(scenery)
    except HaError as error:
        print(f"a new pair is needed: {error}")
        pairs.clear()


@pytest.fixture
def scene(lab: Lab, gate: Gate, pairs: list[Pair], scenes: list[Scene]) -> Iterator[Scene]:
    """Mended after each cell and kept if that succeeds."""
    if not scenes or pairs != [scenes[0].pair]:
        if not pairs or not pairs[0].is_made_by({}):
            pairs.clear()
            lab.clean()
            pairs.append(Pair.make(lab))
        scenes[:] = [scarcity_setting.make(pairs[0], gate, Needs(lab.host(scarcity.HOME)))]
    now = scenes[0]
    yield now
    try:
        for host in lab.hosts:
            if not host.is_alive():
                lab.cluster.wait_offline(host)
                lab.boot(host)
        scarcity_setting.mend(now)
        fault_acts.mend(now.pair)
    except HaError as error:
        print(f"a new pair is needed: {error}")
        pairs.clear()
        scenes.clear()


def test_scarcity(scene: Scene, cell: Cell) -> None:
    spell = Spell(_act(scene, cell))
    pair, moment = scene.pair, cell.moment
    pair.place(pair.lab.host(scarcity.HOME))
    stonith.wait_ready(pair.lab)
    scene.prepare(cell)
    pair.lab.fencing.repair()
    scene.gate.open()
    began = time.monotonic()
    row: dict[str, object] = {}
    if isinstance(moment, Fence):
        story, facts = fence_through(scene, cell, moment, spell)
        broken = fence_promises.broken(story) + scarcity_judge.broken(facts)
        row = {"answer": (story.answer or "")[:300], "took_s": round(story.took_s, 2)}
    else:
        facts, held = act_through(scene, cell, moment, spell)
        broken = scarcity_judge.broken(facts, held)
        took_s = (held.call.ended_s or 0.0) - held.call.began_s
        row = {"rc": held.call.rc, "took_s": round(took_s, 2)}
    if not spell.is_felt:
        broken.append("the lack was not felt")
    row = {
        "cell": cell.name,
        "felt": spell.felt,
        **row,
        "recovered_s": facts.took,
        "fence": facts.answer,
        "broken": broken,
        "all_s": round(time.monotonic() - began, 1),
        "origin": origin.here(scene.lab.hosts[0]),
    }
    _tell(row)
    assert broken == [], facts


def _act(scene: Scene, cell: Cell) -> Act:
    host, lack = scene.lab.host(cell.host), cell.lack
    if lack in scarcity.PATHS:
        return of_path(host, lack)
    if lack.of == scarcity.AGENTS:
        return Agents(host, scene.gate, lack.what, scene.needs)
    return of_daemon(host, lack)


def _tell(row: dict[str, object]) -> None:
    """In a file that outlives a run that is broken off."""
    print(json.dumps(row))
    record.append(RECORD, row)
