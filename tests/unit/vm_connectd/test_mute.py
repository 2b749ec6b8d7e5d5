# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's vm-connectd that stands still is mute, and the other hosts hear of it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from pmkvm.fencing import mute
from pmkvm.wire import codec
from pmkvm.wire.frame import MARKER, Decoder
from pmkvm.wire.message import Echo, Hello
from tests.unit.vm_connectd.port_end import PortEnd
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.vm_connectd.world import Process, World

# All in its time, but a hundred times as fast.
FAST = """\
from daemons.vm_connectd import mute_guests, pulse
pulse.LOOK_S, pulse.QUIET_S, pulse.GREETING_LOOKS = 0.1, 0.6, 20
mute_guests.RETRY_S = 0.3
"""
IS_AWAY = """\
play = run.run
def away(argv, **more):
    if argv[0] == "attrd_updater":
        return run.Completed(102, "", "attrd is away")
    return play(argv, **more)
run.run = away
"""


@pytest.fixture
def guest(world: World) -> Process:
    uuid = world.define("g1")
    host = world.start_host(FAST)
    world.start_qemu("g1", uuid)
    guest = world.start_guest("g1")
    world.wait_ready(host, guest)
    world.wait_joined("g1")
    return guest


def is_mute(world: World) -> bool:
    return world.guest_status("g1").get("mute_seconds") is not None


def frames_in(world: World) -> int:
    count = world.guest_status("g1")["frames_in"]
    assert isinstance(count, int)
    return count


def told(world: World) -> frozenset[str] | None:
    """By the host's attribute."""
    values = world.said_to_attrd
    return mute.resources(values[-1], time.time()) if values else None


def test_a_guest_that_lives_is_asked_and_answers(world: World, guest: Process) -> None:
    assert guest.child.poll() is None
    before = world.guest_status("g1")
    assert before["is_greeted"]
    assert before["answers_echo"]

    eventually("it answered twice more", lambda: frames_in(world) >= 4)
    assert not is_mute(world)
    eventually("nobody is mute", lambda: told(world) == frozenset())
    assert world.status("host")["attrd"] == "told"


def test_one_that_stands_still_is_mute_until_it_goes_on(world: World, guest: Process) -> None:
    guest.child.send_signal(signal.SIGSTOP)
    eventually("mute", lambda: is_mute(world))
    eventually("told", lambda: told(world) == frozenset({"prm-g1"}))
    silent = world.guest_status("g1")
    time.sleep(1.0)
    assert world.guest_status("g1")["frames_out"] == silent["frames_out"], "it is asked once"
    guest.child.send_signal(signal.SIGCONT)
    eventually("heard", lambda: not is_mute(world))
    eventually("told again", lambda: told(world) == frozenset())
    assert len(world.said_to_attrd) == 3, "said when it changes, and not else"


def test_one_that_dies_and_comes_back_is_heard_by_its_hello(world: World, guest: Process) -> None:
    guest.child.send_signal(signal.SIGSTOP)
    eventually("mute", lambda: is_mute(world))
    guest.end(signal.SIGKILL)
    world.wait_ready(world.start_guest("g1"))
    eventually("heard", lambda: not is_mute(world))


def test_the_hosts_daemon_that_restarts_finds_it_mute_again(world: World, guest: Process) -> None:
    """Nobody has greeted the new one."""
    guest.child.send_signal(signal.SIGSTOP)
    eventually("mute", lambda: is_mute(world))
    host = next(each for each in world.processes if each.log.name.endswith("host.log"))
    host.end(signal.SIGKILL)
    again = world.start_host(FAST)
    world.wait_ready(again)
    eventually("mute again", lambda: is_mute(world))
    assert not world.guest_status("g1")["is_greeted"]
    guest.child.send_signal(signal.SIGCONT)
    eventually("heard", lambda: not is_mute(world))


def test_an_attribute_manager_that_is_away_is_told_later(world: World) -> None:
    host = world.start_host(FAST + IS_AWAY)
    world.wait_ready(host)
    eventually("noticed", lambda: "attrd does not take" in str(world.status("host")["attrd"]))
    time.sleep(1.0)
    assert host.said.count("attrd does not take") == 1, "it is said once"


def test_a_guest_of_an_older_release_is_not_asked(world: World) -> None:
    uuid = world.define("g1")
    host = world.start_host(FAST)
    world.start_qemu("g1", uuid)
    world.wait_ready(host)
    with PortEnd(world.port_of("g1")) as port:
        port.send(MARKER + codec.encode(Hello((1, 1), "vm-connectd 1")))
        eventually("greeted", lambda: world.guest_status("g1").get("is_greeted"))
        time.sleep(1.5)
        assert not world.guest_status("g1")["answers_echo"]
        assert not is_mute(world)
        assert b'"echo"' not in port.read()


def test_a_guest_may_say_echo_unasked(world: World) -> None:
    uuid = world.define("g1")
    host = world.start_host(FAST)
    world.start_qemu("g1", uuid)
    world.wait_ready(host)
    with PortEnd(world.port_of("g1")) as port:
        hello = Hello((1, 1), "vm-connectd 2", answers_echo=True)
        port.send(MARKER + codec.encode(hello))
        eventually("greeted", lambda: world.guest_status("g1").get("is_greeted"))
        for number in range(20):
            port.send(codec.encode(Echo(f"my own {number}")))
        eventually("all count", lambda: frames_in(world) == 21)
        assert world.guest_status("g1")["is_connected"]
        asked = port.read().split(MARKER)[-1]
        messages = [codec.parse(each, codec.FROM_HOST) for each in Decoder().feed(asked)]
        assert messages[1] == Echo("1")
