# SPDX-License-Identifier: GPL-2.0-or-later
"""How often the cluster is asked what: little while nothing is under way, and never too little."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.cluster import cib_watcher
from daemons.vm_stonithd.cluster.cib_watcher import CibWatcher
from daemons.vm_stonithd.model import rest
from pmkvm import run, settings
from pmkvm.errors import CommandError, DeadlineError
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from tests.unit import exhaustion
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from daemons.vm_stonithd.model.events import CibSeen

CIB = '<cib have-quorum="1"><configuration><nodes/></configuration><status/></cib>'
MON = '<pacemaker-result><summary/><nodes/><status code="0" message="OK"/></pacemaker-result>'
VERSIONED = '<cib admin_epoch="0" epoch="{}" have-quorum="1">'
OTHERS = {"crm_node": "host1\n", "crm_mon": MON}


class Cluster:
    """What is asked, in order; idle: whether histories matter to nobody."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        self.asked: list[str] = []
        self.told: list[CibSeen] = []
        self.bans = ""
        self.version = 0
        # What of "whole", "bans" and the tools does not answer.
        self.down: set[str] = set()
        self.is_idle = True
        self.file = file
        self.replace_file()
        monkeypatch.setattr(settings, "CIB_XML", str(file))
        monkeypatch.setattr(run, "run", self._run)
        monkeypatch.setattr(cib_watcher, "IDLE_S", 0.03)
        monkeypatch.setattr(rest, "BANS_S", 0.03)
        monkeypatch.setattr(cib_watcher, "LOOK_S", 0.01)

    def replace_file(self, text: str = "") -> None:
        new = self.file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.file)

    def write_version(self, epoch: int) -> None:
        """The file has what its manager has."""
        self.version = epoch
        self.replace_file(f"{VERSIONED.format(epoch)}<configuration/></cib>")

    def _run(self, argv: Sequence[str], **_options: object) -> Completed:
        is_whole = argv == ("cibadmin", "--query", "--local")
        what = argv[0] if argv[0] in OTHERS else "whole" if is_whole else "bans"
        self.asked.append(what)
        if what in self.down:
            raise CommandError("down")
        whole = CIB.replace("<cib ", f'<cib admin_epoch="0" epoch="{self.version}" ', 1)
        return Completed(0, {**OTHERS, "whole": whole, "bans": self.bans}[what], "")

    def wholes(self) -> int:
        return self.asked.count("whole")

    async def until(self, count: int) -> None:
        await until(lambda: self.asked.count("bans") >= count)

    async def until_whole(self, count: int) -> None:
        await until(lambda: len(self.told) >= count)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return Cluster(monkeypatch, tmp_path / "cib.xml")


@contextlib.asynccontextmanager
async def watching(scene: Cluster) -> AsyncIterator[CibWatcher]:
    made = CibWatcher(ThreadCalls(8), scene.told.append, lambda: False, lambda: scene.is_idle)
    task = asyncio.get_running_loop().create_task(made.run())
    try:
        await scene.until_whole(1)
        yield made
    finally:
        task.cancel()


async def test_while_idle_only_the_bans_are_asked_for(scene: Cluster) -> None:
    async with watching(scene):
        await scene.until(4)
        assert scene.wholes() == 1


@pytest.mark.parametrize("what", ["ban", "file", "nudge", "ask", "work", "down"])
async def test_what_calls_for_the_whole(scene: Cluster, what: str) -> None:
    async with watching(scene) as made:
        await scene.until(1)
        if what == "ban":
            # By the poll alone.
            scene.bans = "<rsc_location/>"
        elif what == "file":
            scene.replace_file()
        elif what == "nudge":
            made.nudge()
        elif what == "ask":
            made.ask(7)
        elif what == "work":
            scene.is_idle = False
        else:
            scene.down = {"bans"}
        await scene.until_whole(2)
        if what == "ask" and scene.told[-1].ticket == 0:
            # The CIB was there before the other answers, and has been told by itself.
            await scene.until_whole(3)
        assert scene.told[-1].ticket == (7 if what == "ask" else 0)
        assert scene.told[-1].began > scene.told[0].began


async def test_the_whole_is_read_now_and_then(
    scene: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "WHOLE_S", 0.1)
    async with watching(scene):
        await scene.until_whole(3)
        await scene.until(1)


@pytest.mark.parametrize("failing", [{"whole"}, {"crm_mon"}, {"whole", *OTHERS}])
async def test_a_failed_reading_is_one_line_and_nobody_else_complains(
    scene: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: set[str],
) -> None:
    monkeypatch.setattr(cib_watcher, "RETRY_S", 0.01)
    complaints: list[dict[str, object]] = []
    async with watching(scene) as made:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
        scene.down, before = failing, {each: scene.asked.count(each) for each in failing}
        while any(scene.asked.count(each) < before[each] + 3 for each in failing):
            # Asked, it reads the whole with all that belongs to it.
            made.ask(7)
            await asyncio.sleep(0.01)
        assert made.state == "the CIB can't be read: down"
        scene.down = set()
        told = len(scene.told)
        made.ask(8)
        await scene.until_whole(told + 1)
    gc.collect()
    assert complaints == []
    lines = [each for each in caplog.records if "can't be read" in each.getMessage()]
    assert [each.getMessage() for each in lines] == ["cluster: the CIB can't be read: down"]
    assert [each for each in caplog.records if each.exc_info or each.name == "asyncio"] == []


async def test_a_moment_without_threads_passes(
    scene: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cib_watcher, "RETRY_S", 0.01)
    async with watching(scene) as made:
        with exhaustion.no_threads():
            made.ask(7)
            await until(lambda: made.state != "read")
            assert made.state.startswith("the CIB can't be read: no thread can be started")
            await asyncio.sleep(0.3)
        await until(lambda: scene.told[-1].ticket == 7)
        assert made.state == "read"
    assert len([each for each in caplog.records if "can't be read" in each.getMessage()]) == 1


async def test_a_file_that_keeps_up_is_all_that_is_looked_at(
    scene: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write_version(7)
    monkeypatch.setattr(cib_watcher, "COMPANY_IDLE_S", 0.05)
    async with watching(scene) as made:
        await asyncio.sleep(0.3)
        assert scene.asked.count("bans") == 0
        assert scene.wholes() == 1
        # For nobody: neither the partition nor crm_mon's word is asked for.
        monkeypatch.setattr(rest, "WHOLE_S", 0.1)
        scene.replace_file(scene.file.read_text(encoding="utf-8"))
        await scene.until_whole(5)
        assert not scene.told[-1].is_whole
        asked = scene.asked.count("crm_mon")
        made.nudge()
        await until(lambda: scene.asked.count("crm_mon") > asked)
        await until(lambda: scene.told[-1].is_whole or scene.told[-2].is_whole)


@pytest.mark.parametrize("what", ["file", "directory", "work", "ask"])
async def test_what_ends_the_rest_is_seen_at_once(scene: Cluster, what: str) -> None:
    scene.write_version(7)
    async with watching(scene) as made:
        await asyncio.sleep(0.2)
        assert scene.wholes() == 1
        if what == "file":
            scene.replace_file()
        elif what == "directory":
            # It is full: the CIB manager gets no further than that.
            scene.file.with_suffix(".Xa81Kq").touch()
        elif what == "ask":
            made.ask(3)
        else:
            scene.is_idle = False
            made.nudge()
        began = time.monotonic()
        await scene.until_whole(2)
        assert time.monotonic() - began < 1.0


async def test_a_storage_that_hangs_has_the_bans_asked_for(
    scene: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write_version(7)

    def hang(*_: object) -> None:
        raise DeadlineError("hangs")

    monkeypatch.setattr(cib_watcher, "_look", hang)
    async with watching(scene):
        await scene.until(2)
        assert scene.wholes() == 1


async def test_a_file_that_stays_behind_is_no_witness(scene: Cluster) -> None:
    """Its manager could not write it, and has given it up."""
    scene.write_version(7)
    scene.version = 8
    async with watching(scene):
        await scene.until(3)
        scene.bans = "<rsc_location/>"
        await scene.until_whole(2)
