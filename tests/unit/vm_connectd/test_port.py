# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's port as it is replaced. A terminal stands for the device: it has a node in a file
system, two ends, and hangs up; what a virtio port itself does is seen in the lab."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from typing import TYPE_CHECKING

import pytest

from daemons.vm_connectd import port
from daemons.vm_connectd.port import Port
from tests.unit import exhaustion
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


class Plug:
    """A device, and the end of it that is the host's."""

    def __init__(self) -> None:
        self.host_end, self._guest_end = os.openpty()
        tty.setraw(self._guest_end)
        self.node = os.ttyname(self._guest_end)

    def say(self, data: bytes) -> None:
        os.write(self.host_end, data)

    def unplug(self) -> None:
        for descriptor in (self.host_end, self._guest_end):
            os.close(descriptor)


class Reader:
    """What the port tells, in order."""

    def __init__(self) -> None:
        self.heard: list[bytes | str] = []

    def port_up(self) -> None:
        self.heard.append("up")

    def port_received(self, data: bytes) -> None:
        self.heard.append(data)

    def port_drained(self) -> None: ...

    def port_down(self, reason: str) -> None:
        self.heard.append(f"down: {reason}")


@pytest.fixture
def plugs() -> Iterator[list[Plug]]:
    made = [Plug(), Plug()]
    yield made
    for plug in made:
        plug.unplug()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "CHECK_S", 0.02)


def link(path: Path, plug: Plug) -> None:
    """As udev does it."""
    new = path.with_suffix(".new")
    new.symlink_to(plug.node)
    new.replace(path)


@contextlib.asynccontextmanager
async def at_work(path: Path) -> AsyncIterator[tuple[Port, Reader]]:
    reader = Reader()
    one = Port(str(path), reader)
    task = asyncio.get_running_loop().create_task(one.run())
    try:
        yield one, reader
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.wait([task])


async def test_another_device_under_the_path_is_opened(tmp_path: Path, plugs: list[Plug]) -> None:
    path = tmp_path / "vmconnectd"
    first, second = plugs
    async with at_work(path) as (_port, reader):
        link(path, first)
        await until(lambda: reader.heard == ["up"])
        first.say(b"one")
        await until(lambda: reader.heard[1:] == [b"one"])
        link(path, second)
        await until(lambda: len(reader.heard) == 4)
        second.say(b"two")
        await until(lambda: len(reader.heard) == 5)
        assert reader.heard[2:] == ["down: another device has its place", "up", b"two"]


async def test_a_path_that_is_missing_for_a_moment_changes_nothing(
    tmp_path: Path, plugs: list[Plug]
) -> None:
    path = tmp_path / "vmconnectd"
    async with at_work(path) as (_port, reader):
        link(path, plugs[0])
        await until(lambda: reader.heard == ["up"])
        path.unlink()
        await asyncio.sleep(0.1)
        link(path, plugs[0])
        plugs[0].say(b"one")
        await until(lambda: reader.heard[1:])
        await asyncio.sleep(0.1)
        assert reader.heard == ["up", b"one"]


@pytest.mark.parametrize("room", [0, 1])
async def test_a_port_that_could_not_be_opened_is_opened_later(
    tmp_path: Path, plugs: list[Plug], room: int
) -> None:
    path = tmp_path / "vmconnectd"
    async with at_work(path) as (one, reader):
        await until(lambda: one.last_error.endswith("No such file or directory"))
        before = exhaustion.descriptors()
        with exhaustion.no_descriptors(room):
            link(path, plugs[0])
            await until(lambda: one.last_error.endswith("Too many open files"))
            await asyncio.sleep(0.1)
        await until(lambda: reader.heard == ["up"])
        assert one.last_error == ""
        assert exhaustion.descriptors() == before + 2
