# SPDX-License-Identifier: GPL-2.0-or-later
"""Both daemons, a QEMU between them, a server and a client: as it is in life, in one place."""

from __future__ import annotations

import json
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.intake import channels
from pmkvm import process
from pmkvm.deadline import Deadline
from pmkvm.wire import client
from pmkvm.wire.errors import NoAnswerError, NotRunningError, RefusedError, UnavailableError
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.vm_connectd.world import Process, World


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def qemu(world: World) -> Process:
    """A host, a guest g1, both daemons, joined."""
    return joined(world)[0]


def joined(world: World) -> tuple[Process, Process, Process]:
    """QEMU, the host's daemon and the guest's."""
    uuid = world.define("g1")
    host = world.start_host()
    qemu = world.start_qemu("g1", uuid)
    guest = world.start_guest("g1")
    world.wait_ready(host, guest)
    world.wait_joined("g1")
    return qemu, host, guest


def test_a_request_reaches_the_server_with_its_senders_stamp_and_the_reply_comes_back(
    world: World, clients: ThreadPoolExecutor, qemu: Process
) -> None:
    server = world.serve()
    answer = clients.submit(world.ask, "g1", "reset TOKEN", 60.0, "id-1")
    request = server.take()
    assert (request.id, request.body) == ("id-1", "reset TOKEN")
    assert 30.0 < request.seconds <= 60.0
    sender = request.sender
    assert sender.uuid == world.guest_status("g1")["uuid"]
    assert (sender.domain, sender.resource) == ("g1", "prm-g1")
    assert process.life_of(qemu.child.pid) == (sender.pid, sender.start_time)
    server.answer(request, "OK")
    assert answer.result(30) == "OK"
    eventually("nothing is outstanding", lambda: world.guest_status("g1")["outstanding"] == 0)
    assert world.status("g1")["outstanding"] == 0


@pytest.mark.usefixtures("qemu")
def test_a_restarted_server_gets_what_is_unanswered_again_and_the_reply_comes_once(  # L9
    world: World, clients: ThreadPoolExecutor
) -> None:
    first = world.serve()
    answer = clients.submit(world.ask, "g1", "reset A", 60.0, "id-1")
    request = first.take()
    first.close()
    second = world.serve()
    again = second.take()
    assert (again.id, again.route, again.sender) == (request.id, request.route, request.sender)
    assert again.seconds <= request.seconds
    second.answer(again, "OK")
    second.answer(again, "OK twice")
    assert answer.result(30) == "OK"
    eventually("the stray is counted", lambda: world.status("host")["stray_answers"] == 1)


@pytest.mark.usefixtures("qemu")
def test_a_request_waits_for_a_server_and_is_unavailable_just_before_its_end(
    world: World, clients: ThreadPoolExecutor
) -> None:
    """Standby: no server here."""
    late = clients.submit(world.ask, "g1", "echo A", 60.0)
    time.sleep(0.3)
    server = world.serve()
    request = server.take()
    server.answer(request, "OK")
    assert late.result(30) == "OK"
    server.close()
    with pytest.raises(UnavailableError, match="no server for stonith"):
        world.ask("g1", "echo B", 2.0)


def test_the_hosts_daemon_restarts_and_the_guest_sends_again_by_itself(
    world: World, clients: ThreadPoolExecutor
) -> None:
    _qemu, host, _guest = joined(world)
    server = world.serve()
    answer = clients.submit(world.ask, "g1", "reset A", 60.0, "id-1")
    request = server.take()
    host.end(signal.SIGKILL)
    server.close()
    world.wait_ready(world.start_host())
    server = world.serve()
    again = server.take()
    assert again.id == "id-1"
    assert again.route != request.route
    assert again.seconds < request.seconds
    server.answer(request, "OK of an older run")
    server.answer(again, "OK")
    assert answer.result(30) == "OK"
    assert world.status("g1")["sent_again"] == 1


def test_an_upgrade_of_the_host_in_place_loses_no_request(
    world: World, clients: ThreadPoolExecutor
) -> None:
    _qemu, host, _guest = joined(world)
    first = world.serve()
    answer = clients.submit(world.ask, "g1", "reset A", 60.0, "id-1")
    asked = first.take()
    host.child.send_signal(signal.SIGHUP)
    eventually("the new one serves", lambda: host.said.count("info: ready") == 2)
    assert host.child.poll() is None
    second = world.serve()
    again = second.take()
    assert (again.id, again.body, again.sender) == (asked.id, asked.body, asked.sender)
    second.answer(again, "OK")
    assert answer.result(30) == "OK"


def test_an_upgrade_of_the_guest_in_place_loses_no_request(
    world: World, clients: ThreadPoolExecutor
) -> None:
    """The plugin sends again when vm-connectd ends the connection."""
    _qemu, _host, guest = joined(world)
    server = world.serve()
    path = world.socket_of("g1")

    def plugin() -> str:
        while True:
            try:
                return client.ask("stonith", "reset A", Deadline(60), request_id="id-1", path=path)
            except (NotRunningError, RefusedError):
                time.sleep(0.2)

    answer = clients.submit(plugin)
    asked = server.take()
    guest.child.send_signal(signal.SIGHUP)
    eventually("the new one serves", lambda: guest.said.count("info: ready") == 2)
    assert guest.child.poll() is None
    # The host's may have let the first one go with its connection, or not.
    eventually("it is asked again", lambda: world.status("g1")["outstanding"] == 1)
    server.answer(asked, "OK")
    assert answer.result(30) == "OK"


@pytest.mark.usefixtures("qemu")
def test_a_client_that_leaves_takes_its_request_along(world: World) -> None:
    world.serve()
    with pytest.raises(NoAnswerError):
        world.ask("g1", "reset A", 0.5)
    eventually("the guest forgot it", lambda: world.status("g1")["outstanding"] == 0)
    eventually("the host forgot it", lambda: world.guest_status("g1")["outstanding"] == 0)


def test_without_a_host_end_the_client_is_told_in_time(world: World) -> None:  # L2, L7
    world.start_qemu("g1", world.define("g1"))
    world.wait_ready(world.start_guest("g1"))
    # Told before its time was over: else this is a NoAnswerError.
    with pytest.raises(UnavailableError, match="no vm-connectd of a host"):
        world.ask("g1", "reset A", 1.0)
    with pytest.raises(NotRunningError):
        client.ask("stonith", "x", Deadline(1), path=world.socket_of("nobody"))


def test_a_socket_that_is_another_guests_is_refused_and_listed(world: World) -> None:
    """The review's S9: a path copied into a second definition."""
    world.define("g1")
    stranger = world.define("g2", path=world.directory / "sockets" / "other")
    world.start_qemu("g1", stranger)
    host = world.start_host()
    world.wait_ready(host)
    eventually("refused", lambda: "its path is in two" in str(world.guest_status("g1")))
    assert f'the guest "g1" with uuid "{stranger}"' in host.said
    assert not world.guest_status("g1")["is_connected"]


def test_a_socket_outside_the_directories_is_named_with_its_guest(world: World) -> None:
    outside = world.directory / "outside"
    uuid = world.define("g1", path=outside)
    world.start_qemu("g1", uuid, path=outside)
    # A way out of the directory is not inside it.
    (world.sockets / "way").symlink_to(world.directory)
    world.define("g2", path=world.sockets / "way" / "outside")
    host = world.start_host()
    world.wait_ready(host)
    eventually("two rejected", lambda: len(world.status("host")["rejected"]) == 2)  # type: ignore[arg-type]
    assert world.status("host")["guests"] == []
    assert "guest 'prm-g1' (domain 'g1') has no channel: its socket is outside" in host.said
    assert "guest 'prm-g2' (domain 'g2') has no channel: its socket is outside" in host.said
    told = channels.without_channel(json.dumps(world.status("host")))
    assert [each.partition(": its socket is outside")[0] for each in told] == [
        """guest "prm-g1" (domain "g1") can't ask for a fence""",
        """guest "prm-g2" (domain "g2") can't ask for a fence""",
    ]


def test_libvirt_may_go_and_the_channels_stay(world: World, qemu: Process) -> None:
    known = world.guest_status("g1")
    world.lose_libvirt()
    eventually("away", lambda: "libvirtd is away" in str(world.status("host")["libvirt"]))
    assert world.guest_status("g1")["is_connected"]
    qemu.end()
    eventually("gone", lambda: not world.guest_status("g1").get("is_connected"))
    world.start_qemu("g1", str(known["uuid"]))
    eventually("connected again", lambda: world.guest_status("g1").get("is_connected"))


@pytest.mark.usefixtures("qemu")
def test_a_resource_that_is_removed_loses_its_channel(world: World) -> None:
    world.remove_resource("g1")
    eventually("removed", lambda: not world.guest_status("g1"))


@pytest.mark.usefixtures("qemu")
def test_a_second_server_is_refused_as_long_as_the_first_lives(world: World) -> None:  # S5
    world.serve()
    with pytest.raises(RefusedError, match="stonith is served by process"):
        # From another process: this one could only be the same server, come again.
        _register_elsewhere(world)


def _register_elsewhere(world: World) -> None:
    """By a child: vm-connectd tells servers apart by their processes."""
    import subprocess
    import sys

    code = (
        "from pmkvm.deadline import Deadline\n"
        "from pmkvm.wire import client, codec\n"
        "from pmkvm.wire.message import Register\n"
        f"c = client.Connection(Deadline(60), path={world.socket_of('host')!r},"
        " expected=codec.FROM_HOST_CONNECTD)\n"
        "with c:\n    c.send(Register('stonith'))\n    print(list(c.events()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    reason = done.stderr.strip().splitlines()[-1].partition("RefusedError: ")[2]
    raise RefusedError(reason)


@pytest.mark.parametrize("gone", ["directory", "sockets"])
def test_local_sockets_that_are_deleted_come_back_and_connections_stay(
    world: World, clients: ThreadPoolExecutor, qemu: Process, gone: str
) -> None:
    """On the host and in the guest, with a request under way."""
    server = world.serve()
    before = clients.submit(world.ask, "g1", "reset A", 60.0, "id-1")
    request = server.take()
    run = world.directory / "run"
    if gone == "directory":
        shutil.rmtree(run)
    else:
        for side in ("host", "g1"):
            Path(world.socket_of(side)).unlink()
    eventually("both are found again", lambda: all(map(world.is_found, ("host", "g1"))))
    server.answer(request, "OK")
    assert before.result(30) == "OK"
    after = clients.submit(world.ask, "g1", "reset B", 60.0, "id-2")
    server.answer(server.take(), "OK B")
    assert after.result(30) == "OK B"
    assert world.guest_status("g1")["pid"] == qemu.child.pid
