# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-connectd on a host that lacks something: nobody is taken for another, nobody is deaf after."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest

from daemons.vm_connectd import hypervisor as hypervisor_module
from daemons.vm_connectd.channel import Channel
from daemons.vm_connectd.guests import Guests
from daemons.vm_connectd.hypervisor import Hypervisor, HypervisorAwayError
from daemons.vm_connectd.local import LocalSocket
from daemons.vm_connectd.roster import Target
from pmkvm import settings
from pmkvm.deadline import Deadline
from pmkvm.errors import ExhaustedError
from pmkvm.run import Completed
from pmkvm.service.thread_calls import ThreadCalls
from pmkvm.wire import client, codec, registration
from pmkvm.wire.errors import NotRunningError, RefusedError
from pmkvm.wire.registration import Registration
from pmkvm.wire.session import Session
from tests.unit import exhaustion
from tests.unit.vm_connectd import world
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemons.vm_connectd.channel import Hub
    from daemons.vm_connectd.local import Desk

ANSWER_S = 5.0
TOO_MANY = "Too many open files"
UUID = "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"


class Nobody:
    """A desk or a hub that is told things, and whose report fails."""

    def status(self) -> str:
        raise AttributeError("a NamedTuple without _asdict")

    def local_received(self, *_: object) -> None: ...
    def local_drained(self, *_: object) -> None: ...
    def local_gone(self, *_: object) -> None: ...
    def guest_gone(self, *_: object) -> None: ...


def listening(path: str) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    one.bind(path)
    one.listen(8)
    return one


@contextlib.asynccontextmanager
async def local_socket(path: str) -> AsyncIterator[LocalSocket]:
    """Served without a complaint of the loop's."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, said: complaints.append(said))
    local = LocalSocket(cast("Desk", Nobody()), codec.FROM_SERVER)
    server = await loop.create_unix_server(local.accept, sock=listening(path))
    yield local
    server.close()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_report_that_fails_is_one_line_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "s")

    def ask() -> str:
        return client.status(Deadline(ANSWER_S), path=path)

    async with local_socket(path):
        said = r"^vm-connectd can't tell \(AttributeError, see its log\)$"
        with pytest.raises(RefusedError, match=said):
            await asyncio.get_running_loop().run_in_executor(None, ask)
    assert "a NamedTuple without _asdict" in caplog.text


async def test_a_program_that_can_not_be_told_now_is_refused_and_may_come_again(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "s")
    loop = asyncio.get_running_loop()
    async with local_socket(path) as local:
        with socket.socket(socket.AF_UNIX) as program:
            program.setblocking(False)
            await loop.sock_connect(program, path)
            await until(lambda: len(local))
            with exhaustion.no_descriptors():
                greeting = Session("server", codec.FROM_HOST_CONNECTD).greeting()
                await loop.sock_sendall(program, greeting)
                said = b""
                while part := await loop.sock_recv(program, 4096):
                    said += part
        assert TOO_MANY in said.decode(errors="replace")
        assert len(local) == 0


def test_a_program_without_a_descriptor_may_try_again(tmp_path: Path) -> None:
    with exhaustion.no_descriptors(), pytest.raises(NotRunningError, match=TOO_MANY):
        client.ask("stonith", "status", Deadline(1), path=str(tmp_path / "s"))


async def test_a_server_that_is_not_registered_in_time_connects_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a vm-connectd that has lost it: it takes the connection and says nothing."""
    monkeypatch.setattr(registration, "REGISTER_S", 0.05)
    path = str(tmp_path / "s")
    loop = asyncio.get_running_loop()
    with listening(path) as vm_connectd:
        one = Registration("stonith", lambda _: None, program="vm-stonithd", path=path)
        task = loop.create_task(one.run())
        for _ in range(3):
            connection, _address = await asyncio.wait_for(loop.sock_accept(vm_connectd), 30)
            connection.close()
        assert not one.is_registered
        task.cancel()
        await asyncio.wait([task])


async def test_a_channel_without_a_descriptor_is_not_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "LIBVIRT_PID_DIR", str(tmp_path))
    path = str(tmp_path / "s")
    channel = Channel(Target("prm", "g1", UUID, path), [str(tmp_path)], cast("Hub", Nobody()))
    with listening(path):
        task = asyncio.get_running_loop().create_task(channel.run())
        for room in range(3):
            with exhaustion.no_descriptors(room):
                await asyncio.sleep(0.3)
                await until(lambda: channel.last_error)
                assert TOO_MANY in channel.last_error or "no QEMU" in channel.last_error
                assert channel.stream is None
        task.cancel()
        await asyncio.wait([task])


RESOURCES = """\
<resources><primitive id="prm" class="ocf" provider="extra" type="VirtualDomain">
  <instance_attributes id="a"><nvpair id="c" name="config" value="{}"/></instance_attributes>
</primitive></resources>"""


async def test_guests_whose_definitions_can_not_be_read_now_keep_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "RUN_DIR", str(tmp_path / "run"))
    config = tmp_path / "file.xml"
    config.write_text(f"<domain type='kvm'><name>g1</name><uuid>{UUID}</uuid></domain>")
    primitive = RESOURCES.format(config)
    monkeypatch.setattr("pmkvm.run.run", lambda _argv, **_options: Completed(0, primitive, ""))
    guests = Guests(ThreadCalls(4), (str(tmp_path),))
    assert await guests.look()
    with exhaustion.no_descriptors(), pytest.raises(ExhaustedError, match=TOO_MANY):
        await guests.draw_up([])
    assert (await guests.draw_up([])).targets == ()
    assert guests._identity("prm", str(config), Deadline(60)).name == "g1"


# Beside the library of world.py: what was opened is counted, and the loop of its events fails.
LIBVIRT = """
opened, ran, ends = [], [], []
def virEventRunDefaultImpl():
    if ends: raise SystemExit
    ran.append(1)
    time.sleep(0.01)
    if len(ran) < 3: raise libvirtError("poll: Cannot allocate memory")
def openReadOnly(uri):
    opened.append(Connection())
    return opened[-1]
"""


async def test_libvirt_is_asked_again_by_the_same_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = world.LIBVIRT.format(directory=str(tmp_path)) + LIBVIRT
    (tmp_path / "libvirt.py").write_text(library, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "libvirt", raising=False)
    monkeypatch.setattr(hypervisor_module, "EVENTS_AGAIN_S", 0.01)
    one = Hypervisor(ThreadCalls(4), lambda: None)
    with exhaustion.no_threads(), pytest.raises(HypervisorAwayError, match="no thread can be"):
        await one.domains()
    assert await one.domains() == []
    libvirt = one._libvirt
    with exhaustion.no_threads(), pytest.raises(HypervisorAwayError):
        await one.domains()
    assert await one.domains() == []
    assert len(libvirt.opened) == 1
    # Its events are heard though their loop has failed twice.
    while len(libvirt.ran) < 5:
        await asyncio.sleep(0.01)
    libvirt.ends.append("its thread")
