# SPDX-License-Identifier: GPL-2.0-or-later
"""From the attribute of a host to that of its guest: vm-managerd, both vm-connectds, vm-client."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.wire import client
from tests.unit.vm_connectd.world import world_of
from tests.unit.vm_managerd.world import NestedWorld
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.vm_connectd.world import Server


@pytest.fixture
def world() -> Iterator[NestedWorld]:
    with world_of(NestedWorld) as made:
        yield made


def test_what_the_rules_allow_is_in_the_guest_and_follows_the_host(world: NestedWorld) -> None:
    world.join()
    for name, value in {"ping": "100", "raw": "a, b = 50%", "secret": "x", "disk": "ERROR"}.items():
        world.set("host1", name, value)
    world.start_managerd()
    world.start_client()
    world.wait_told(ping="100", raw="a, b = 50%", disk="red")
    # A text that a tool could take for options is a text.
    world.set("host1", "raw", "-inf")
    world.set("host1", "ping", "0")
    world.set("host1", "disk", None)
    world.wait_told(ping="red", raw="-inf")
    assert "--name=raw --update-both=-inf --delay=5s" in world.changes("g1")


def test_the_question_of_2011_has_its_answer(world: NestedWorld) -> None:
    """As vm-connect -t monitor -r prints it."""
    world.join()
    world.set("host1", "ping", "50")
    world.start_managerd()
    path = world.socket_of("g1")
    said = client.ask("monitor", "ping disk", Deadline(60), path=path)
    assert said == "ping=red,disk="
    assert client.ask("monitor", "", Deadline(60), path=path).startswith("NG ")


def test_a_host_that_goes_mute_has_no_attributes_in_the_guest(world: NestedWorld) -> None:
    world.join()
    world.set("host1", "ping", "100")
    managerd = world.start_managerd()
    world.start_client(host_timeout=1)
    world.wait_told(ping="100")
    managerd.child.send_signal(signal.SIGSTOP)
    world.wait_told()
    eventually("it says so", lambda: world.said("client").get("host_is_mute"))
    managerd.child.send_signal(signal.SIGCONT)
    world.wait_told(ping="100")


def test_a_cluster_of_the_host_that_is_away_is_a_mute_host_too(world: NestedWorld) -> None:
    world.join()
    world.set("host1", "ping", "100")
    world.start_managerd()
    world.start_client(host_timeout=1)
    world.wait_told(ping="100")
    world.set("host1", ".away", "")
    world.wait_told()
    world.set("host1", ".away", None)
    world.wait_told(ping="100")


def test_a_host_without_vm_managerd_keeps_nobody_waiting(world: NestedWorld) -> None:
    world.join()
    world.set("g1", "ping", "100")
    world.start_client(host_timeout=1)
    # What somebody has left there is not believed for ever.
    world.wait_told()
    eventually("it says so", lambda: world.said("client").get("host_is_mute"))
    assert "no server for monitor" in str(world.said("client")["host"])


def test_a_guest_without_vm_connectd_has_a_mute_host(world: NestedWorld) -> None:
    world.start_client(host_timeout=1)
    eventually("it says so", lambda: world.said("client").get("host_is_mute"))
    assert "vm-connectd does not run here" in str(world.said("client")["host"])


def test_restarts_of_all_daemons_take_no_attribute_away(world: NestedWorld) -> None:
    host, _guest = world.join()
    world.set("host1", "ping", "100")
    managerd = world.start_managerd()
    vm_client = world.start_client()
    world.wait_told(ping="100")
    for process in (managerd, vm_client):
        process.child.send_signal(signal.SIGHUP)
        eventually("the new one serves", lambda: process.said.count("info: ready") == 2)  # noqa: B023
    managerd.end(signal.SIGKILL)
    host.end(signal.SIGKILL)
    world.wait_ready(world.start_host())
    world.start_managerd()
    vm_client.end(signal.SIGKILL)
    world.start_client()
    world.set("host1", "ping", "99")
    world.wait_told(ping="red")
    assert not [change for change in world.changes("g1") if "--name=ping --delete" in change]


def test_after_a_migration_the_guest_sees_the_new_host(world: NestedWorld) -> None:
    """The port's host end is another vm-connectd's, whose vm-managerd has other attributes."""
    host, _guest = world.join()
    world.set("host1", "ping", "100")
    world.set("host2", "ping", "0")
    world.set("host2", "raw", "2")
    managerd = world.start_managerd()
    world.start_client()
    world.wait_told(ping="100")
    host.end(signal.SIGKILL)
    managerd.end(signal.SIGKILL)
    world.wait_ready(world.start_host())
    world.start_managerd("host2")
    world.wait_told(ping="red", raw="2")


def test_an_attribute_manager_that_is_away_is_told_later(world: NestedWorld) -> None:
    world.join()
    world.set("host1", "ping", "100")
    world.set("g1", ".away", "")
    world.start_managerd()
    world.start_client()
    eventually("seen", lambda: "Pacemaker does not run" in str(world.said("client")["cluster"]))
    world.set("g1", ".away", None)
    world.wait_told(ping="100")


def test_the_hosts_own_attribute_comes_and_goes_with_vm_managerd(world: NestedWorld) -> None:
    world.join()
    managerd = world.start_managerd("host1", "-n", "operator", "-v", "normal")
    eventually("set", lambda: world.attributes("host1") == {"operator": "normal"})
    managerd.child.send_signal(signal.SIGHUP)
    eventually("the new one serves", lambda: managerd.said.count("info: ready") == 2)
    world.set("host1", "operator", "ERROR")
    eventually("registered", lambda: world.said("managerd").get("is_registered"))
    assert world.attributes("host1") == {"operator": "ERROR"}
    assert not [change for change in world.changes("host1") if "--delete" in change]
    assert managerd.end() == 0
    assert world.attributes("host1") == {}


def test_what_a_hostile_host_says_beyond_the_question_is_dropped(world: NestedWorld) -> None:
    world.join()
    server = world.serve("monitor")
    said = f"standby=on,ping={'9' * 300},raw=1,\x1b]0;x\x07=1".replace("\x1b", "\u202e")
    answering = threading.Thread(target=_answer_always, args=(server, said.replace("\x07", "")))
    answering.start()
    try:
        vm_client = world.start_client(host_timeout=1)
        world.wait_told(raw="1")
        eventually("logged", lambda: '"standby"' in vm_client.said)
        assert "\u202e" not in vm_client.said
    finally:
        server.close()
        answering.join()


def _answer_always(server: Server, said: str) -> None:
    while True:
        try:
            request = server.take()
            server.answer(request, said)
        except Exception:  # noqa: BLE001 - it was closed
            return
