# SPDX-License-Identifier: GPL-2.0-or-later
"""Ready is what a program says that speaks, and a moment of life of one that does not."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from agents.vm_anything import start
from agents.vm_anything.notify import Message, NotifySocket, parse
from pmkvm.process import life_of

if TYPE_CHECKING:
    from tests.unit.vm_anything.world import World

STAY = "\ntime.sleep(60)"
# Of a start whose time is 20 s and more: it has not waited for that, however slow the machine.
QUICK_S = 15


pytestmark = pytest.mark.usefixtures("a_whole_moment")


def test_a_program_that_speaks_is_waited_for(world: World) -> None:
    text = "say('STATUS=starting'); time.sleep(0.4); open('ready', 'w'); say('READY=1')"
    begin = time.monotonic()
    world.start(world.python(text + STAY))
    assert (world.directory / "ready").exists()
    assert time.monotonic() - begin < QUICK_S


def test_it_is_waited_for_beyond_the_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "MOMENT_S", 4.0)
    text = "say('EXTEND_TIMEOUT_USEC=9'); time.sleep(4.3); open('ready', 'w'); say('A=1\\nREADY=1')"
    world.start(world.python(text + STAY))
    assert (world.directory / "ready").exists()


def test_one_that_never_becomes_ready_is_not_started(world: World) -> None:
    text = "say('STATUS=starting'); say('STATUS=waiting for a key'); say('X=1')"
    called = world.act("start", world.python(text + STAY), timeout_s=6)
    assert called.rc == 1
    assert called.reason.endswith("lives but is not ready in time, it says: waiting for a key")
    assert world.processes() == []
    assert not world.pidfile().exists()


def test_one_that_dies_instead_of_becoming_ready_says_why(world: World) -> None:
    log = str(world.directory / "log")
    text = "say('STATUS=starting'); time.sleep(0.2); sys.exit('no such directory')"
    called = world.act("start", {**world.python(text), "logfile": log})
    reason = "the program ended with 1 while it started: no such directory"
    assert called.outcome == (1, reason)


def test_silence_for_a_moment_is_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "MOMENT_S", 0.3)
    begin = time.monotonic()
    world.start(world.program("exec sleep 60"))
    assert 0.3 <= time.monotonic() - begin < QUICK_S


def test_a_child_may_say_it(world: World) -> None:
    text = "pid = os.fork()\nif not pid: say('READY=1'); time.sleep(60)\ntime.sleep(60)"
    begin = time.monotonic()
    world.start(world.python(text))
    assert time.monotonic() - begin < QUICK_S


def test_a_stranger_is_not_heard(world: World) -> None:
    """One that has left the session is a stranger."""
    text = "pid = os.fork()\nif not pid: os.setsid(); say('READY=1'); time.sleep(60)\n"
    called = world.act("start", world.python(text + "say('STATUS=up')" + STAY), timeout_s=6)
    assert called.names(1, "it says: up")


def test_who_has_written_is_the_kernel_s_word() -> None:
    me = life_of(os.getpid())
    assert me is not None
    with NotifySocket() as notify, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as writer:
        address = "\0" + notify.address[1:]
        writer.sendto(b"READY=1", address)
        assert notify.receive(me._replace(start_time=me.start_time + 1), 5) is None
        assert notify.receive(me, 0) is None
        # A descriptor that is sent along is not taken.
        before = os.listdir("/proc/self/fd")
        writer.connect(address)
        socket.send_fds(writer, [b"STATUS=x\nFDSTORE=1"], [0])
        assert notify.receive(me, 5) == Message(is_ready=False, status="x")
        assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"READY=1", Message(is_ready=True, status="")),
        (b"STATUS=a=b\nREADY=1\n", Message(is_ready=True, status="a=b")),
        (b"READY=0", Message(is_ready=False, status="")),
        (b"STATUS=READY=1", Message(is_ready=False, status="READY=1")),
        (b"X_READY=1", Message(is_ready=False, status="")),
        (b"\xff\0\nREADY=1", Message(is_ready=True, status="")),
        (b"", Message(is_ready=False, status="")),
    ],
)
def test_a_datagram_is_lines(data: bytes, message: Message) -> None:
    assert parse(data) == message
