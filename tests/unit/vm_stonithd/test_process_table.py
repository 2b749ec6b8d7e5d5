# SPDX-License-Identifier: GPL-2.0-or-later
"""A look at the process table that many share: never older than the question."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.host.qemu_processes import ProcessTable
from pmkvm import process, settings
from pmkvm.process import Life
from pmkvm.virt import qemu
from pmkvm.virt.qemu import Guest, Qemu

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED_S = 0.3
SCAN_S = 0.05


class Host:
    """QEMUs by uuid, and how often they were looked at. Slow: a change in a look is not in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lives: dict[str, Life] = {}
        self.looks = 0
        self.looking = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        monkeypatch.setattr(qemu, "every", self._every)
        monkeypatch.setattr(process, "is_alive", lambda _life: True)

    def _every(self) -> Iterator[Qemu]:
        self.looks += 1
        there = dict(self.lives)
        self.looking.set()
        time.sleep(SCAN_S)
        assert self.may_end.wait(10)
        for uuid, life in there.items():
            yield Qemu(life, Guest("name", uuid, is_incoming=False))


def lives(table: ProcessTable, uuid: str) -> tuple[Life, ...]:
    return table.look(uuid, ()).lives


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_who_asks_at_one_time_shares_two_looks(host: Host) -> None:
    host.lives = {f"uuid{number}": Life(number, 1) for number in range(20)}
    table = ProcessTable()
    host.may_end.clear()
    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(lives, table, uuid) for uuid in host.lives]
        while not all(each.running() for each in asking):
            time.sleep(SCAN_S)
        # Each is at its first line now, or behind it.
        time.sleep(ASKED_S)
        host.may_end.set()
        found = [each.result() for each in asking]
    assert found == [(life,) for life in host.lives.values()]
    assert host.looks <= 3


def test_a_look_that_was_under_way_is_not_used(host: Host) -> None:
    table = ProcessTable()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lives, table, "uuid1")
        assert host.looking.wait(10)
        host.lives = {"uuid1": Life(7, 1)}
        assert lives(table, "uuid1") == (Life(7, 1),)
        assert first.result() == ()
    assert host.looks == 2


def test_each_question_of_one_after_the_other_has_its_own_look(host: Host) -> None:
    table = ProcessTable()
    assert lives(table, "uuid1") == ()
    host.lives = {"uuid1": Life(7, 1)}
    assert lives(table, "uuid1") == (Life(7, 1),)
    assert lives(table, "uuid2") == ()


def test_a_look_that_fails_is_an_error_and_the_next_one_looks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "PROC", "/nowhere")
    table = ProcessTable()
    for _ in range(2):
        with pytest.raises(OSError, match="nowhere"):
            lives(table, "uuid1")


def test_strangers_have_the_name_and_another_uuid(host: Host) -> None:
    host.lives = {"uuid1": Life(7, 1), "uuid2": Life(8, 1)}
    found = ProcessTable().look("uuid1", {"name"})
    assert [each.life for each in found.strangers] == [Life(8, 1)]
    assert ProcessTable().look("uuid1", {"another"}).strangers == ()
