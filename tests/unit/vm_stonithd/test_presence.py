# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-stonithd tells all hosts of its guests, and when."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from daemons.vm_stonithd import presence as telling
from daemons.vm_stonithd.host import living_guests
from daemons.vm_stonithd.presence import Presence
from pmkvm import run as runner
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.virt import presence, record
from pmkvm.virt.identity import Identity
from pmkvm.virt.presence import Word
from pmkvm.virt.record import Record, Stage
from tests.unit import exhaustion
from tests.unit.virt.fake_qemu import G1, OTHER_UUID, UUID
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.virt.fake_qemu import FakeProcessTable


class Attrd:
    """What it has taken; is_there: whether it takes anything."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.is_there = True
        self.calls = 0

    def run(self, argv: list[str], **_options: object) -> Completed:
        assert argv[:4] == ["attrd_updater", "--private", "--name", presence.ATTRIBUTE]
        assert argv[4] == "--update"
        self.calls += 1
        if not self.is_there:
            return Completed(102, "", "Could not connect")
        self.texts.append(argv[5])
        return Completed(0, "", "")

    def says(self, uuid: str) -> Word | None:
        if not self.texts:
            return None
        text = self.texts[-1]
        # As of the time that is in it.
        return presence.word(text, uuid, float(text.split(" ")[0].partition("=")[2]))


@pytest.fixture
def attrd(monkeypatch: pytest.MonkeyPatch) -> Attrd:
    made = Attrd()
    monkeypatch.setattr(runner, "run", lambda argv, **more: made.run(list(argv), **more))
    # How often one looks is no part of what is tested here.
    monkeypatch.setattr(telling, "PAUSE_S", 0.05)
    monkeypatch.setattr(telling, "LEAST_S", 0.01)
    return made


@contextlib.asynccontextmanager
async def at_work() -> AsyncIterator[Presence]:
    made = Presence(ThreadCalls(8))
    task = asyncio.get_running_loop().create_task(made.run())
    try:
        yield made
    finally:
        # Before Python 3.12 wait_for() loses one that comes together with a result.
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.005)
        assert task.cancelled()


async def test_a_guest_that_begins_and_ends_is_told_of(
    host: FakeProcessTable, attrd: Attrd
) -> None:
    before = exhaustion.descriptors()
    async with at_work():
        await until(lambda: attrd.says(UUID) == Word.ABSENT)
        qemu = host.start_qemu("g1", UUID)
        # libvirt has written that down.
        host.write_pid_file("g1", qemu.pid)
        await until(lambda: attrd.says(UUID) == Word.LIVES)
        assert attrd.says(OTHER_UUID) == Word.ABSENT
        qemu.end()
        await until(lambda: attrd.says(UUID) == Word.ABSENT)
    assert exhaustion.descriptors() == before


async def test_of_many_not_all_are_held(
    host: FakeProcessTable, attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor for each would leave none to fences. They are told of all the same."""
    monkeypatch.setattr(telling, "MOST_HELD", 1)
    qemus = [host.start_qemu("g1", UUID), host.start_qemu("g2", OTHER_UUID)]
    before = exhaustion.descriptors()
    async with at_work() as made:
        await until(lambda: made.state == "told")
        assert (attrd.says(UUID), attrd.says(OTHER_UUID)) == (Word.LIVES, Word.LIVES)
        assert len(made._holds) == 1
        for each in qemus:
            each.end()
        # As libvirt does it.
        host.write_pid_file("g3", 1)
        await until(lambda: (attrd.says(UUID), attrd.says(OTHER_UUID)) == (Word.ABSENT,) * 2)
    assert exhaustion.descriptors() <= before


async def test_a_death_that_can_not_be_heard_of_is_looked_for_again(
    host: FakeProcessTable, attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may refuse to watch a descriptor. Held unheard, the guest would live for ever."""
    loop = asyncio.get_running_loop()
    add_reader = loop.add_reader
    troubles = [OSError(12, "Cannot allocate memory")]

    def refused_once(*arguments: Any) -> None:
        if troubles:
            raise troubles.pop()
        add_reader(*arguments)

    monkeypatch.setattr(loop, "add_reader", refused_once)
    qemu = host.start_qemu("g1", UUID)
    before = exhaustion.descriptors()
    async with at_work():
        await until(lambda: attrd.says(UUID) == Word.LIVES)
        assert exhaustion.descriptors() == before + 1
        qemu.end()
        await until(lambda: attrd.says(UUID) == Word.ABSENT)


async def test_a_death_is_told_at_once(
    host: FakeProcessTable, attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it would be to the next look."""
    monkeypatch.setattr(telling, "PAUSE_S", 1000.0)
    qemu, other = host.start_qemu("g1", UUID), host.start_qemu("g2", OTHER_UUID)
    async with at_work():
        await until(lambda: attrd.says(UUID) == Word.LIVES)
        qemu.end()
        await until(lambda: attrd.says(UUID) == Word.ABSENT)
        assert attrd.says(OTHER_UUID) == Word.LIVES
        other.end()
        await until(lambda: attrd.says(OTHER_UUID) == Word.ABSENT)


async def test_where_nothing_changes_it_is_told_again_after_some_seconds_and_not_before(
    host: FakeProcessTable, attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tool call each five seconds is all that it costs, and few looks."""
    looks: list[float] = []
    look = living_guests.look

    def counted(known: object) -> object:
        looks.append(time.monotonic())
        return look(known)  # type: ignore[arg-type]

    monkeypatch.setattr(living_guests, "look", counted)
    monkeypatch.setattr(presence, "REPEAT_S", 1000.0)
    host.start_qemu("g1", UUID)
    async with at_work() as made:
        await until(lambda: made.state == "told" and len(looks) == telling.LOOKS)
        # So many pauses.
        await asyncio.sleep(10 * telling.PAUSE_S)
        assert (len(attrd.texts), len(looks)) == (1, telling.LOOKS)
        monkeypatch.setattr(presence, "REPEAT_S", 0.2)
        await until(lambda: len(attrd.texts) > 2)
    assert len(set(attrd.texts)) == len(attrd.texts)


async def test_a_guest_stays_told_of_whatever_its_qemu_says_of_itself_later(
    host: FakeProcessTable, attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "REPEAT_S", 0.05)
    qemu = host.start_qemu("g1", UUID)
    async with at_work():
        await until(lambda: attrd.says(UUID) == Word.LIVES)
        (host.directory / str(qemu.pid)).unlink()
        told = len(attrd.texts)
        await until(lambda: len(attrd.texts) > told + 2)
        assert attrd.says(UUID) == Word.LIVES


@pytest.mark.parametrize("witness", ["record", "pid file"])
def test_one_that_denies_it_is_known_by_what_is_written_down(
    host: FakeProcessTable, witness: str
) -> None:
    qemu = host.start_qemu_that_rewrites("g1", UUID)
    assert living_guests.look({}) == {}
    record.store("vm1", Record(G1, Stage.RUNNING, qemu.life if witness == "record" else None))
    if witness == "pid file":
        host.write_pid_file("g1", qemu.pid)
    assert living_guests.look({}) == {qemu.life: UUID}


def test_what_is_remembered_of_the_dead_and_of_no_qemu_is_no_guest(host: FakeProcessTable) -> None:
    qemu = host.start_qemu("g1", UUID)
    record.store("vm1", Record(G1, Stage.RUNNING, qemu.life))
    record.store("vm2", Record(Identity("x", OTHER_UUID, is_qemu=False), Stage.RUNNING))
    qemu.end()
    assert living_guests.look({}) == {}


def test_one_whose_first_thread_has_ended_lives(host: FakeProcessTable) -> None:
    qemu = host.start_half_dead_qemu("g1", UUID)
    assert living_guests.look({}) == {qemu.life: UUID}


async def test_an_attrd_that_is_away_is_told_when_it_is_back(
    host: FakeProcessTable, attrd: Attrd
) -> None:
    host.start_qemu("g1", UUID)
    attrd.is_there = False
    async with at_work() as made:
        await until(lambda: "Pacemaker does not run" in made.state)
        attrd.is_there = True
        await until(lambda: attrd.says(UUID) == Word.LIVES)
        await until(lambda: made.state == "told")


@pytest.mark.usefixtures("host")
async def test_an_attrd_that_is_away_is_not_called_at_each_look_around(
    attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "RETRY_S", 1000.0)
    attrd.is_there = False
    async with at_work():
        await until(lambda: attrd.calls == telling.LOOKS)
        await asyncio.sleep(10 * telling.PAUSE_S)
        assert attrd.calls == telling.LOOKS


async def test_a_look_that_fails_tells_nothing(
    host: FakeProcessTable, attrd: Attrd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not seen is not gone: the last word stands until it is too old."""
    qemu = host.start_qemu("g1", UUID)
    async with at_work() as made:
        await until(lambda: attrd.says(UUID) == Word.LIVES)
        told = len(attrd.texts)

        def fail(_known: object) -> dict[object, str]:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(living_guests, "look", fail)
        qemu.end()
        await until(lambda: "Too many open files" in made.state)
        assert len(attrd.texts) == told
