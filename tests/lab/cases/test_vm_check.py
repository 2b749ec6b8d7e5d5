# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-check on real hosts: nothing on a healthy cluster, and each planted fault by its name alone.

An everyday run has the healthy cluster and a few plants, others for each commit.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.lab.faults.situations import wait_until
from tests.lab.plants import of_cluster, of_definitions, of_hosts, scene, verdict
from tests.lab.plants.verdict import WELL, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab
    from tests.lab.plants.plant import Plant
    from tests.lab.plants.scene import Scene

PLANTS = (*of_definitions.PLANTS, *of_cluster.PLANTS, *of_hosts.PLANTS)
PARTS = 16
# What vm-stonithd and the hosts' words take to tell of a change.
TOLD_S = 30.0


@pytest.fixture(scope="module")
def made() -> list[Scene]:
    """Of this module's tests, as long as none has failed."""
    return []


@pytest.fixture
def healthy(lab: Lab, made: list[Scene]) -> Scene:
    if not made:
        lab.clean()
        made.append(scene.make(lab))
    return made[0]


def is_well(host: Machine) -> bool:
    said = verdict.ask(host)
    print(said.sentences())
    return (said.rc, said.found) == (WELL, set())


def test_on_a_healthy_cluster_nothing_is_found(healthy: Scene) -> None:
    for host in healthy.lab.hosts:
        # A host that is busy may be silent for longer than 3 s.
        wait_until(partial(is_well, host), "all is well", TOLD_S)


@pytest.mark.rotating(parts=PARTS)
@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_a_planted_fault_is_found_and_nothing_else(healthy: Scene, plant: Plant) -> None:
    seen: list[Verdict] = []

    def is_told() -> bool:
        seen.append(verdict.ask(healthy.host1))
        return seen[-1].found == plant.found

    with plant.enter(healthy):
        try:
            wait_until(is_told, plant.name, TOLD_S)
        finally:
            print(seen[-1].sentences())
    assert seen[-1].rc == seen[-1].rc_of_severity != WELL
    wait_until(partial(is_well, healthy.host1), "it is well again", TOLD_S)
    assert healthy.lab.fencing.events() == []
