# SPDX-License-Identifier: GPL-2.0-or-later
"""operator_check_status: there while vm-managerd runs, and an operator's when he sets it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from daemons.vm_managerd import own_attribute
from daemons.vm_managerd.own_attribute import OwnAttribute, Pair
from pmkvm import run as runner
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PAIR = Pair("operator_check_status", "normal")


class Attrd:
    """Of two hosts; values by host."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.values: dict[str, str] = {"host2": "normal"}
        self.is_there = True
        self.looks = 0
        patch.setattr(runner, "run", self.run)

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        if argv[0] == "crm_node":
            return Completed(0, "host1\n", "")
        assert argv[0] == "attrd_updater"
        if not self.is_there:
            return Completed(102, "", "")
        if "--query" in argv:
            self.looks += 1
            said = [f'name="{PAIR.name}" host="{h}" value="{v}"' for h, v in self.values.items()]
            return Completed(0, "\n".join(said), "")
        assert argv[1] == f"--name={PAIR.name}"
        if "--delete" in argv:
            del self.values["host1"]
        else:
            self.values["host1"] = argv[2].partition("=")[2]
        return Completed(0, "", "")


@pytest.fixture
def attrd(monkeypatch: pytest.MonkeyPatch) -> Attrd:
    monkeypatch.setattr(own_attribute, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(own_attribute, "RETRY_S", 0.01)
    return Attrd(monkeypatch)


@contextlib.asynccontextmanager
async def at_work(*, has_to_stay: bool = False) -> AsyncIterator[OwnAttribute]:
    made = OwnAttribute(PAIR, ThreadCalls(2), lambda: has_to_stay)
    task = asyncio.get_running_loop().create_task(made.run())
    try:
        yield made
    finally:
        # Before Python 3.12 wait_for() loses one that comes together with a result.
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.02)


async def test_it_is_there_while_the_daemon_runs(attrd: Attrd) -> None:
    async with at_work():
        await until(lambda: attrd.values.get("host1") == "normal")
    assert attrd.values == {"host2": "normal"}


async def test_one_that_is_lost_is_set_again(attrd: Attrd) -> None:
    async with at_work():
        await until(lambda: attrd.values.get("host1"))
        # As 2.1.5 keeps the name of what was deleted.
        attrd.values["host1"] = ""
        await until(lambda: attrd.values["host1"] == "normal")


async def test_an_operators_value_stays(attrd: Attrd) -> None:
    attrd.values["host1"] = "ERROR"
    async with at_work():
        await until(lambda: attrd.looks > 3)
        assert attrd.values["host1"] == "ERROR"


async def test_an_attrd_that_is_away_is_tried_again(attrd: Attrd) -> None:
    attrd.is_there = False
    async with at_work() as made:
        await until(lambda: "Pacemaker does not run" in made.state)
        attrd.is_there = True
        await until(lambda: attrd.values.get("host1") == "normal")


async def test_an_upgrade_in_place_leaves_it(attrd: Attrd) -> None:
    """Without it the constraints of vm-ctl would have all guests leave this host."""
    async with at_work(has_to_stay=True):
        await until(lambda: attrd.values.get("host1"))
    assert attrd.values["host1"] == "normal"
