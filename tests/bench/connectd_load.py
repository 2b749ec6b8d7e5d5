# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's vm-connectd with many guests: memory, idle time, and an echo's time at a steady rate.

One process plays all guests and the server, so its own time is in the echo's, and the daemon is
told to take it for each guest's QEMU. Run as `python3 -m tests.bench.connectd_load [GUESTS]`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from pmkvm.deadline import Deadline
from pmkvm.wire import codec
from pmkvm.wire.message import Forwarded, Reply, Request
from pmkvm.wire.registration import Registration
from pmkvm.wire.session import Event, PortSession
from pmkvm.wire.stream import Stream
from tests.unit.vm_connectd.world import World

RATE_PER_S = 500
SECONDS = 10
IDLE_S = 10
WORLD_S = 60.0


BELIEVE = """\
from daemons.vm_connectd import speaker
from pmkvm.wire.message import Sender
speaker.identify = lambda c, t: Sender(t.uuid, 1, 1, t.domain, t.resource)
host.RESCAN_S, guests.CIB_POLL_S = 10.0, 2.0
"""


class Load(NamedTuple):
    """CPU as shares of a core, times in ms."""

    guests: int
    rss_mib: float
    idle: float
    busy: float
    echoes: int
    median_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.guests:4} guests: {self.rss_mib:.1f} MiB, idle {self.idle:.2%} of a core,"
            f" busy {self.busy:.1%}, {self.echoes} echoes, median {self.median_ms:.2f} ms,"
            f" p99 {self.p99_ms:.2f} ms"
        )


class Guest:
    """A guest's end of a socket, without a QEMU between."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.sent: dict[str, float] = {}
        self.took: list[float] = []

    def accept(self) -> Stream:
        self.stream = Stream(PortSession("load", codec.FROM_HOST), self)
        return self.stream

    def ask(self, number: int) -> None:
        if self.stream is not None:
            self.sent[str(number)] = time.monotonic()
            self.stream.send(Request("stonith", str(number), 10.0, "echo " + "x" * 200))

    def received(self, event: Event) -> None:
        if isinstance(event, Reply):
            self.took.append(time.monotonic() - self.sent.pop(event.id))

    def drained(self) -> None: ...

    def lost(self, reason: str) -> None: ...


def used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def load(world: World, count: int) -> Load:
    loop = asyncio.get_running_loop()
    guests = [Guest() for _ in range(count)]
    for number, guest in enumerate(guests):
        path = str(world.sockets / f"g{number}")
        await loop.create_unix_server(guest.accept, path)
        world.define(f"g{number}")
    host = world.start_host(BELIEVE)
    pid = host.child.pid
    deadline = Deadline(WORLD_S)
    while not all(each.stream and each.stream.session.opened for each in guests):
        assert not deadline.expired(), host.said
        await asyncio.sleep(0.1)
    server: Registration

    def answer(request: Forwarded) -> None:
        server.reply(request, "OK")

    server = Registration("stonith", answer, program="load", path=world.socket_of("host"))
    task = loop.create_task(server.run())
    await asyncio.sleep(3)
    before, began = used_s(pid), time.monotonic()
    await asyncio.sleep(IDLE_S)
    idle = (used_s(pid) - before) / (time.monotonic() - began)
    before, began = used_s(pid), time.monotonic()
    for number in range(RATE_PER_S * SECONDS):
        guests[number % count].ask(number)
        await asyncio.sleep(max(0.0, began + (number + 1) / RATE_PER_S - time.monotonic()))
    busy = (used_s(pid) - before) / (time.monotonic() - began)
    await asyncio.sleep(1)
    took = sorted(each for guest in guests for each in guest.took)
    task.cancel()
    await asyncio.wait([task])
    median, p99 = (took[len(took) * share // 100] * 1000 for share in (50, 99))
    return Load(count, rss_mib(pid), idle, busy, len(took), median, p99)


def measure(count: int) -> Load:
    with tempfile.TemporaryDirectory(prefix="load-") as directory:
        world = World(Path(directory))
        try:
            return asyncio.run(load(world, count))
        finally:
            world.close()


if __name__ == "__main__":
    sys.stdout.write(f"{measure(int(sys.argv[1]) if len(sys.argv) > 1 else 500)}\n")
